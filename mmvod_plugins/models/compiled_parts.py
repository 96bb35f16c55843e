"""Parts of a detector that ``torch.compile`` translates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .memory_format import return_usual_order

#: Modes that record CUDA graphs: the next frame's maps overwrite those of the last one there,
#: while video detectors keep maps and objects of earlier frames.
GRAPH_MODES = ('reduce-overhead', 'max-autotune')


def compile_parts(model: nn.Module, names: Sequence[str], **settings: Any) -> None:  # noqa: ANN401
    """Let ``torch.compile`` translate parts of a model when they are first called.

    Names, weights and checkpoints stay as they are. Backbones gain most; new sizes of frames are
    translated anew.

    Args:
        model: It has the parts.
        names: Of the parts below the model, such as ``'detector.backbone'``.
        settings: Arguments of ``torch.compile``, such as ``dynamic``, ``mode`` and ``backend``.

    Raises:
        ValueError: For a name that the model does not have, for a mode with CUDA graphs, and
            where torch is older than 2.2.
    """
    if settings.get('mode') in GRAPH_MODES:
        raise ValueError(
            f'mode={settings["mode"]!r} uses CUDA graphs, in whose memory the next frame '
            'overwrites the maps of earlier ones, which video detectors keep: use '
            "mode='default' or 'max-autotune-no-cudagraphs'")
    for name in names:
        try:
            part = model.get_submodule(name)
        except AttributeError as error:
            known = [f'{parent}.{child}' for parent, module in model.named_children()
                     for child, _ in module.named_children()]
            raise ValueError(f'compiled: there is no part {name!r}; there are, among others, '
                             f'{known}') from error
        if not hasattr(part, 'compile'):
            raise ValueError('compiled: parts are compiled in place, for which torch must be '
                             '2.2 or later; leave the option out')
        return_usual_order(part)  # compiled convolutions compute with the channels last
        part.compile(**settings)
