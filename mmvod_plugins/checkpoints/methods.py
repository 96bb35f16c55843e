"""Which method weights under our names are of."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Keys of the temporal modules on objects.
AGGREGATOR = 'detector.roi_head.aggregator.'
#: In a cascade every stage has an aggregator.
STAGE = re.compile(r'^\d+\.')
#: Keys of the part that aligns RoI features.
ALIGN = 'detector.roi_head.temporal_roi_align.'
#: Keys of the temporal modules on maps, and the name of the method by those that it alone has.
NECK = 'temporal_neck.'
NECKS = (('FGFA', r'embed_convs\.'), ('DFF', r'motion\.'),
         ('STMN', r'levels\.\d+\.forward_cell\.'))
#: Name of the method by the aggregator's keys that only its weights have, first match first.
METHODS = (
    ('MEGA', r'(local|global)_relations\.'),
    ('RDN', r'advanced_relations\.'),
    ('RDN-base', r'base_relations\.'),
    ('SELSA', r'attentions\.'),
)
#: (method of a file, method of a model) that may differ: the file starts the model's training.
STARTS = (('RDN-base', 'RDN'), )
OTHER = 'another temporal method'


def method_of(keys: Collection[str]) -> str | None:
    """The methods of weights by their names, None for a detector of single frames."""
    parts = [part for part in (neck_method(keys), aggregator_method(keys)) if part]
    return ' + '.join(parts) or None


def neck_method(keys: Collection[str]) -> str | None:
    """The method of the temporal neck, None without one."""
    own = [key.removeprefix(NECK) for key in keys if key.startswith(NECK)]
    found = (name for name, pattern in NECKS if any(re.match(pattern, key) for key in own))
    return next(found, OTHER) if own else None


def aggregator_method(keys: Collection[str]) -> str | None:
    """The method of the temporal modules on objects, None without any."""
    own = [STAGE.sub('', key.removeprefix(AGGREGATOR)) for key in keys
           if key.startswith(AGGREGATOR)]
    if not own:
        return None
    method = next((name for name, pattern in METHODS
                   if any(re.match(pattern, key) for key in own)), OTHER)
    aligned = any(key.startswith(ALIGN) for key in keys)
    return f'{method} + Temporal RoI Align' if aligned else method
