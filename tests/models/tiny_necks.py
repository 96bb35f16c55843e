"""Narrow forms of temporal necks."""

from __future__ import annotations

from mmengine.config import ConfigDict


def narrow_neck(neck: ConfigDict, width: int) -> ConfigDict:
    """Narrow a temporal neck for maps of ``width`` channels in place."""
    if neck.type == 'STMMNeck':
        directions = 2 if neck.get('bidirectional', True) else 1
        neck.update(in_channels=width, channels=width // directions)
        return neck
    neck.motion.base_channels = 2
    if neck.motion.get('scale_channels'):
        neck.motion.scale_channels = width
    if neck.type == 'FGFANeck':
        neck.channels = width
        neck.embed_layers = [(8, kernel) for _, kernel in neck.embed_layers]
    return neck
