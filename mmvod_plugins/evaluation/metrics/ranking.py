"""Ranking of our numbers by mmengine's hooks, which know better and worse by name only."""

from mmengine.hooks import CheckpointHook, EarlyStoppingHook

#: Parts of the names of numbers that are better when they are greater.
GREATER = ('AP50', 'AP70', 'AP75', 'recall_')
#: Names of numbers that are better when they are less.
LESS = ('fragment_error', 'centre_error', 'scale_ratio_error')


def rank_metrics() -> None:
    """Make ``save_best`` (``'auto'`` too) and early stopping infer the rule of our numbers.

    mmengine asks downstream packages to extend these lists of its hooks.
    """
    for hook in (CheckpointHook, EarlyStoppingHook):
        hook._default_greater_keys = [*dict.fromkeys([*hook._default_greater_keys, *GREATER])]
        hook._default_less_keys = [*dict.fromkeys([*hook._default_less_keys, *LESS])]
