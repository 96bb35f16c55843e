"""Aggregators that keep keys and values of references that stay."""

from __future__ import annotations

from mmengine.structures import InstanceData

from mmvod_plugins.models.memories.kept_projections import KeptProjections

from .base import Aggregated, Aggregator


class ProjectingAggregator(Aggregator):
    """Keeps what its layers make of a reference's objects, for as long as it is a reference.

    :meth:`forward` takes ``step_of(memory)``, passes it to
    :func:`~mmvod_plugins.models.memories.kept_projections.projections` and returns it as
    ``to_memory``.
    """

    def init_memory(self) -> KeptProjections:
        """No projections yet."""
        return KeptProjections()

    def write(self, memory: KeptProjections, aggregated: Aggregated,
              found: InstanceData | None) -> None:
        """Keep the projections that the key frame used."""
        if aggregated.to_memory is not None:
            memory.write(aggregated.to_memory)
