"""Parts of a model that training leaves as they are."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet.models.detectors import BaseDetector
from torch import nn


class FrozenParts:
    """Freezes parts of a model, for a temporal part that is trained on a finished detector.

    Args:
        model: The model.
        names: Names of modules or parameters, as in its state dict
            (``('detector.backbone', 'detector.neck')``).
        trained: Parts of these that are trained all the same:
            ``names=['detector'], trained=['detector.bbox_head.aggregator']``.
        batch_statistics: Whether frozen layers run in training mode in training: batch norms use
            the statistics of the batch and update their own, stochastic depth acts (the published
            program of YOLOV). By default they run as in testing. The detector itself keeps its
            mode, on which mmdet's transformers let it depend what they hand to their head.

    Raises:
        ValueError: If the model has no part of a name, with the parts that are beside it.
    """

    def __init__(self, model: nn.Module, names: Sequence[str] = (), *,
                 trained: Sequence[str] = (), batch_statistics: bool = False) -> None:
        weights = dict(model.named_parameters())
        for name in (*names, *trained):
            if not any(_under(key, [name]) for key in weights):
                parent = name.rpartition('.')[0]
                beside = sorted({key for key, _ in model.named_modules()
                                 if key.rpartition('.')[0] == parent and key})
                raise ValueError(f'frozen names {name!r}, but the model has no weights under it; '
                                 f'beside it are {beside}')
        for key, weight in weights.items():
            if _under(key, names) and not _under(key, trained):
                weight.requires_grad_(False)
        self._modules = [] if batch_statistics else [
            module for key, module in model.named_modules()
            if _under(key, names) and not _under(key, trained)
            and not isinstance(module, BaseDetector)]

    def eval(self) -> None:
        """Put the frozen layers in the mode of testing; after each change of the model's mode."""
        for module in self._modules:
            module.training = False


def _under(key: str, names: Sequence[str]) -> bool:
    """Whether a module or parameter is one of the named parts or lies in one."""
    return f'{key}.'.startswith(tuple(f'{name}.' for name in names))
