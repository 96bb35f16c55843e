"""The methods of a checkpoint: named in its metadata, told from tensor names in other files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .conversion import wrapped_state_dict

#: Entry of the root module's metadata, which torch and mmengine save with a state dict.
METADATA = 'methods'
#: Names of the tensors that a temporal part adds to a detector; in a cascade every stage of the
#: head has an aggregator.
TENSORS = {'neck': re.compile(r'temporal_neck\.'),
           'head': re.compile(r'detector\.\w+\.aggregator\.(\d+\.)?')}
#: For files that name no method, published and older ones: the method by names that its tensors
#: alone have, first match first. New methods need no entry.
SIGNATURES = {
    'neck': (('FGFA', r'embed_convs\.'), ('DFF', r'motion\.'),
             ('STMN', r'levels\.\d+\.forward_cell\.')),
    'head': (('MEGA', r'(local|global)_relations\.'), ('RDN', r'advanced_relations\.'),
             ('RDN-base', r'base_relations\.'), ('SELSA', r'attentions\.'),
             ('YOLOV++', r'obj_attention\.'), ('YOLOV', r'attention\.')),
}
UNKNOWN = 'another temporal method'
#: Names of the part that aligns RoI features.
_ALIGN = 'detector.roi_head.temporal_roi_align.'


def named_methods(checkpoint: Mapping[str, Any]) -> dict[str, str] | None:
    """Read the methods that a checkpoint names, by part: ``'neck'``, ``'head'``.

    Returns:
        None for a file without names: a published one, mmdet's, or an older one of this package.
    """
    metadata = getattr(wrapped_state_dict(checkpoint), '_metadata', {})
    roots = (metadata.get(name, {}) for name in ('', 'module'))
    return next((root[METADATA] for root in roots if METADATA in root), None)


def methods_of(keys: Iterable[str]) -> dict[str, str]:
    """Tell the methods from the names of tensors, by part; empty for a single-frame detector."""
    keys, methods = list(keys), {}
    for part, pattern in TENSORS.items():
        own = [key[match.end():] for key in keys if (match := pattern.match(key))]
        if own:
            methods[part] = next((name for name, signature in SIGNATURES[part]
                                  if any(re.match(signature, key) for key in own)), UNKNOWN)
    if 'head' in methods and any(key.startswith(_ALIGN) for key in keys):
        methods['head'] += ' + Temporal RoI Align'
    return methods


def describe(methods: Mapping[str, str]) -> str:
    """Name all methods of a model for a message, one that has both parts once."""
    return ' + '.join(dict.fromkeys(methods.values())) or 'a single-frame detector'
