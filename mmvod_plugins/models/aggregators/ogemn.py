"""Instance memory: objects of an earlier frame enhance those of the key frame (OGEMN)."""

from __future__ import annotations

from mmdet.registry import MODELS
from mmengine.structures import InstanceData

from mmvod_plugins.models.layers import MemoryRead
from mmvod_plugins.models.memories import InstanceMemory
from mmvod_plugins.models.temporal_part import Needs
from mmvod_plugins.structures import ObjectFeatures

from .base import Aggregated, Aggregator, ObjectsByRole


@MODELS.register_module()
class OGEMNAggregator(Aggregator):
    """Key objects read the enhanced features of all objects of one earlier frame.

    The read operation of the pixel memory (eqs. 1 to 6), with objects as input locations. A stream
    replaces its memory as a whole every ``interval`` frames, online; an empty one leaves the
    objects as they are, bit for bit. As published the features are the position-sensitively
    pooled scores of R-FCN (:class:`TemporalRFCNRoIHead`); in other detectors they are embeddings.

    In training there is no memory: the objects of the frames in the role ``memory`` are its rows,
    before any enhancement.

    Args:
        channels: Width of the features; 7 x 7 x 31 = 1519 in the paper.
        num_heads: Heads; where they do not divide the channels, these are padded
            (:class:`~mmvod_plugins.models.layers.MemoryRead`).
        embed_channels: Width of the embedding of each head.
        temperature: Initial lambda.
        alike: Whether keys start as the queries do, see
            :class:`~mmvod_plugins.models.layers.MemoryRead`.
        interval: Frames from one that is remembered to the next.
        reference_topk: Objects of a training frame in the role ``memory``.
        detach: Whether these frames get no gradient.
        init_cfg: Initial weights; those of the paper by default.

    Raises:
        ValueError: If the interval is below 1.
    """

    method = 'OGEMN'

    def __init__(self,  # noqa: PLR0913 - the paper's table of settings
                 channels: int = 1519,
                 num_heads: int = 8,
                 *,
                 embed_channels: int = 32,
                 temperature: float = 1.0,
                 alike: bool = False,
                 interval: int = 10,
                 reference_topk: int = 300,
                 detach: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if interval < 1:
            raise ValueError(f'aggregator.interval is {interval}, expected 1 or more frames')
        memory = frozenset({'memory'})
        self.needs = Needs(roles=memory, detached_roles=memory if detach else frozenset(),
                           topk=reference_topk)
        self.interval = interval
        self.read = MemoryRead(channels, num_heads, embed_channels, temperature, alike=alike)

    def init_memory(self) -> InstanceMemory:
        """An empty memory."""
        return InstanceMemory(self.interval)

    def forward(self, key: ObjectFeatures, references: ObjectsByRole,
                memory: InstanceMemory | None) -> Aggregated:
        """Enhance the key objects, see :class:`Aggregator`."""
        if memory is None:
            rows = [frame.top(self.needs.topk).feats for frame in references.get('memory', [])]
        else:
            rows = memory.read()
        feats = self.read(key.feats, rows).feats
        return Aggregated(feats, key.with_feats(feats))

    def write(self, memory: InstanceMemory, aggregated: Aggregated,
              found: InstanceData | None) -> None:
        """Remember the enhanced objects of the key frame, if it is time."""
        objects: ObjectFeatures = aggregated.to_memory
        if len(objects):
            memory.write(int(objects.frame_ids[0]), objects.feats)
