"""Parts of a detector that ``torch.compile`` translates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from .memory_format import return_usual_order

#: Modes that record CUDA graphs.
GRAPH_MODES = ('reduce-overhead', 'max-autotune')
#: Parts whose own parts are called one by one, so that nothing of them as a whole is translated.
CONTAINERS = ('', 'detector', 'detector.roi_head', 'temporal_neck')


def compile_parts(model: nn.Module, names: Sequence[str], **settings: Any) -> None:  # noqa: ANN401
    """Let ``torch.compile`` translate parts of a video detector when they are first called.

    Names, weights and checkpoints stay as they are; a copy of the model (that of an EMA hook) is
    not compiled. Backbones gain most. A second size of frames is translated once more, then any.

    Args:
        model: The video detector.
        names: Of the parts below it, such as ``'detector.backbone'``.
        settings: Arguments of ``torch.compile``, such as ``dynamic``, ``mode`` and ``backend``.

    Raises:
        ValueError: For a name that the model does not have or that is a container of parts, for
            CUDA graphs, and where torch is older than 2.2.
    """
    if settings.get('mode') in GRAPH_MODES or settings.get('backend') == 'cudagraphs' \
            or (settings.get('options') or {}).get('triton.cudagraphs'):
        raise ValueError(
            f'compiled: {settings} uses CUDA graphs, in whose memory the next frame overwrites the '
            "maps of earlier ones, which video detectors keep: use mode='default' or "
            "'max-autotune-no-cudagraphs'")
    for name in [names] if isinstance(names, str) else names:
        try:
            part = None if name in CONTAINERS else model.get_submodule(name)
        except AttributeError:
            part = None
        if part is None:
            known = [full for full, _ in model.named_modules()
                     if full.count('.') == 1 and full not in CONTAINERS]
            raise ValueError(f'compiled: there is no part {name!r} that is called as a whole; '
                             f'there are, among others, {known}')
        if not hasattr(part, 'compile'):
            raise ValueError('compiled: parts are compiled in place, for which torch must be '
                             '2.2 or later; leave the option out')
        return_usual_order(part)  # compiled convolutions compute with the channels last
        part.compile(**settings)
