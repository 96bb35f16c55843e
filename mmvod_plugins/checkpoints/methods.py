"""Which method weights under our names are of."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Keys of the temporal modules on objects.
AGGREGATOR = 'detector.roi_head.aggregator.'
#: Name of the method by the aggregator's keys that only its weights have, first match first.
METHODS = (
    ('MEGA', r'(local|global)_relations\.'),
    ('RDN', r'advanced_relations\.'),
    ('RDN-base', r'base_relations\.'),
)
#: (method of a file, method of a model) that may differ: the file starts the model's training.
STARTS = (('RDN-base', 'RDN'), )
OTHER = 'another temporal method'


def method_of(keys: Iterable[str]) -> str | None:
    """The method of weights by their names, None for a detector of single frames."""
    own = [key.removeprefix(AGGREGATOR) for key in keys if key.startswith(AGGREGATOR)]
    if not own:
        return None
    return next((name for name, pattern in METHODS
                 if any(re.match(pattern, key) for key in own)), OTHER)
