"""Backbones."""

from .focal_net import FocalNet
from .vgg16 import VGG16

__all__ = ['VGG16', 'FocalNet']
