"""Dense heads."""

from .first_level_rpn_head import FirstLevelRPNHead
from .temporal_dense_head import TemporalDenseHead

__all__ = ['FirstLevelRPNHead', 'TemporalDenseHead']
