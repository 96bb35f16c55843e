"""Which frames a key frame looked at, with weights where known: a small JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from mmvod_plugins.datasets.coco_values import read_json
from mmvod_plugins.evaluation.predictions import hashable_id, plain_id
from mmvod_plugins.references import ReferencePolicy
from mmvod_plugins.utils.files import write_text

FORMAT, VERSION = 'mmvod_references', 1

#: ``(frame_id, role, weight or None)``
Reference = tuple[int, str, float | None]
#: References by video and key frame.
ReferenceTable = dict[Hashable, dict[int, list[Reference]]]


def policy_references(policy: ReferencePolicy,
                      lengths: Mapping[Hashable, int]) -> ReferenceTable:
    """References of every key frame while testing, as a policy names them, without weights.

    Args:
        policy: The reference policy of a model.
        lengths: Frames of every video, by id.
    """
    return {video_id: {key: [(frame_id, role, None) for role, ids in policy.frames(
                key, length, video_id).items() for frame_id in ids] for key in range(length)}
            for video_id, length in lengths.items()}


def save_references(path: str | os.PathLike[str], table: ReferenceTable) -> None:
    """Write a table; :func:`load_references` describes the file."""
    videos = [dict(id=plain_id(video_id), keys=[
        dict(frame_id=key, references=list(map(_plain, references)))
        for key, references in keys.items()]) for video_id, keys in table.items()]
    write_text(path, json.dumps(dict(format=FORMAT, version=VERSION, videos=videos)))


def _plain(reference: Reference) -> dict[str, Any]:
    frame_id, role, weight = reference
    known = {} if weight is None else dict(weight=float(weight))
    return dict(frame_id=int(frame_id), role=role, **known)


def load_references(path: str | os.PathLike[str]) -> ReferenceTable:
    """Read a table.

    The file is an object with ``"format": "mmvod_references"``, ``"version": 1`` and ``videos``.
    Each has ``id`` and ``keys``, and each of these ``frame_id`` and ``references``: objects with
    ``frame_id`` and, if known, ``role`` and ``weight``.

    Raises:
        ValueError: If it is something else, or a value is no number.
    """
    content = read_json(str(Path(path)))
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise ValueError(f'{path} is no file of references: expected an object with "format": '
                         f'"{FORMAT}"')
    if content.get('version') != VERSION:
        raise ValueError(f'{path} has the version {content.get("version")!r} of the format, known '
                         f'is {VERSION}: read it with a newer mmvod_plugins')
    try:
        return {hashable_id(video['id']): dict(map(_key, video['keys']))
                for video in content['videos']}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f'{path} is damaged: {type(error).__name__} {error}') from error


def _key(entry: dict[str, Any]) -> tuple[int, list[Reference]]:
    return int(entry['frame_id']), [_reference(item) for item in entry['references']]


def _reference(item: dict[str, Any]) -> Reference:
    weight = item.get('weight')
    return int(item['frame_id']), str(item.get('role', '')), None if weight is None else float(
        weight)


def of_videos(table: ReferenceTable, ids: Mapping[str, Hashable], path: object) -> ReferenceTable:
    """References of known videos, by their ids.

    Args:
        table: With ids, also as text, or names of videos.
        ids: Id of every video by its id as text, and by its name.
        path: File of the table, for the message.

    Raises:
        ValueError: If none of its videos is known.
    """
    found = {ids[str(video)]: keys for video, keys in table.items() if str(video) in ids}
    if table and not found:
        raise ValueError(f'{path} has references of the videos {list(table)[:3]}, the page shows '
                         f'{list(ids)[:3]}: they are of other videos')
    return found
