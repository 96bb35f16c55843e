"""References of a temporal head that a temporal neck enhanced together with the key frame."""

from __future__ import annotations

from dataclasses import replace

from mmvod_plugins.structures import FrameRecord, ObjectFeatures, References

from .adapters import DetectorAdapter
from .frame_encoder import stacked_maps
from .temporal_part import NeckStep


def with_enhanced_references(adapter: DetectorAdapter, key: FrameRecord, references: References,
                             step: NeckStep | None,
                             key_objects: ObjectFeatures | None = None) -> References:
    """References with the maps of a neck's step, and objects from these maps.

    Args:
        adapter: The detector's steps.
        key: Record of the key frame.
        references: Records by role.
        step: Of the neck for the key frame; references that it did not enhance stay as they are.
        key_objects: Objects of the enhanced key frame if they are known, for its role as a
            reference.
    """
    head = adapter.head
    if step is None or step.references is None or head is None:
        return references
    # without references the neck saw the key frame alone, which the head takes as it is enhanced
    enhanced = {role: maps for role, maps in step.references().items()
                if role in head.needs.roles and role in references}
    frames = {record.frame_id: replace(record, maps=maps) for role, level in enhanced.items()
              for record, maps in zip(references[role], level, strict=True)}
    if key_objects is not None and key.frame_id in frames:
        frames[key.frame_id].objects = key_objects
    missing = [record for record in frames.values()
               if record.frame_id != key.frame_id or key_objects is None]
    if missing:
        found = adapter.objects(stacked_maps(missing), missing, head.needs.topk)
        for record, objects in zip(missing, found, strict=True):
            record.objects = objects
    return {**references, **{role: [frames[record.frame_id] for record in references[role]]
                             for role in enhanced}}
