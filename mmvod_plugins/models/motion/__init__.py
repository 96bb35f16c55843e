"""Motion between two frames."""

from .flownet_simple import FlowNetSimple, Motion

__all__ = ['FlowNetSimple', 'Motion']
