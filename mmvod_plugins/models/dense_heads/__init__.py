"""Dense heads."""

from .first_level_rpn_head import FirstLevelRPNHead

__all__ = ['FirstLevelRPNHead']
