"""Drawing detections, contact sheets and video files."""

from .drawing import contact_sheet, draw_detections
from .video import VideoWriter, write_video

__all__ = ['VideoWriter', 'contact_sheet', 'draw_detections', 'write_video']
