"""Reading and writing of videos; drawing of detections, saliency maps and contact sheets."""

from .drawing import contact_sheet, draw_detections, title_cell, titled_rows
from .reading import count_frames, frames_per_second, read_frames
from .saliency import draw_saliency, saliency
from .video import VideoWriter, write_video

__all__ = [
    'VideoWriter', 'contact_sheet', 'count_frames', 'draw_detections', 'draw_saliency',
    'frames_per_second', 'read_frames', 'saliency', 'title_cell', 'titled_rows', 'write_video'
]
