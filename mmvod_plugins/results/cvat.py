"""CVAT for video 1.1: tracks that CVAT imports as annotations of a video task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as Xml

import numpy as np

from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.utils.text import legal_xml

from .table import Table, from_table, shortest
from .tracks import Track, tracks_of

CORNERS = ('xtl', 'ytl', 'xbr', 'ybr')


def to_cvat(predictions: Predictions) -> str:
    """An XML text of one video, with its length, size and labels.

    CVAT interpolates between boxes of a track, and goes on after the last: the frame after
    every run of boxes has a box with ``outside="1"``, unless the video ends there. The score is
    an attribute of each box; CVAT keeps it if the task's labels have an attribute ``score``.

    Args:
        predictions: Of one video, which is the name of the task.
    """
    [video] = predictions.videos
    root = Xml.Element('annotations')
    Xml.SubElement(root, 'version').text = '1.1'
    _write_meta(Xml.SubElement(Xml.SubElement(root, 'meta'), 'task'), video, predictions.classes)
    for track in tracks_of(video):
        element = Xml.SubElement(root, 'track', id=str(track.number), source='auto',
                                 label=legal_xml(predictions.classes[track.label]))
        _write_boxes(element, track, video)
    Xml.indent(root)
    return Xml.tostring(root, encoding='unicode', xml_declaration=False).join(
        ('<?xml version="1.0" encoding="utf-8"?>\n', '\n'))


def _write_meta(task: Xml.Element, video: VideoDetections, classes: Sequence[str]) -> None:
    for name, value in (('name', legal_xml(str(video.video_id))), ('size', _length(video)),
                        ('mode', 'interpolation'), ('overlap', 0), ('start_frame', 0),
                        ('stop_frame', max(_length(video) - 1, 0))):
        Xml.SubElement(task, name).text = str(value)
    labels = Xml.SubElement(task, 'labels')
    for name in classes:
        label = Xml.SubElement(labels, 'label')
        Xml.SubElement(label, 'name').text = legal_xml(name)
        attribute = Xml.SubElement(Xml.SubElement(label, 'attributes'), 'attribute')
        for key, value in (('name', 'score'), ('mutable', 'True'), ('input_type', 'text'),
                           ('default_value', ''), ('values', '')):
            Xml.SubElement(attribute, key).text = value
    if video.img_shape is not None:
        size = Xml.SubElement(task, 'original_size')
        for name, side in zip(('height', 'width'), video.img_shape, strict=True):
            Xml.SubElement(size, name).text = str(side)


def _write_boxes(element: Xml.Element, track: Track, video: VideoDetections) -> None:
    for run in track.runs():
        for row, frame_id in zip(track.rows[run], track.frame_ids[run], strict=True):
            box = _box(element, int(frame_id), video, row, outside=False)
            score = Xml.SubElement(box, 'attribute', name='score')
            score.text = str(shortest(video.scores[row:row + 1])[0])
        if frame_id + 1 < _length(video):
            _box(element, int(frame_id) + 1, video, row, outside=True)


def _box(element: Xml.Element, frame_id: int, video: VideoDetections, row: int, *,
         outside: bool) -> Xml.Element:
    corners = dict(zip(CORNERS, map(str, shortest(video.boxes[row])), strict=True))
    return Xml.SubElement(element, 'box', frame=str(frame_id), keyframe='1',
                          outside=str(int(outside)), occluded='0', **corners, z_order='0')


def _length(video: VideoDetections) -> int:
    return int(video.frame_ids.max(initial=-1)) + 1


def from_cvat(text: str, classes: Sequence[str] | None = None,
              source: str = 'CVAT', *, interpolate: bool = False) -> Predictions:
    """Detections from the tracks of a CVAT file.

    Boxes without a score have 1. Every box has a track, and the frames are those with boxes.

    Args:
        text: The XML text.
        classes: Names of the classes; None: those of the task, or those of the tracks.
        source: Name of the file, for messages, and id of a video that the file does not name.
        interpolate: Whether frames between two written boxes of a track have a box, too, as CVAT
            shows them; after the last box until the end of the task. Otherwise written ones alone.

    Raises:
        ValueError: If it is not such a text, a number is none, or a track has a
            label that is not in ``classes``.
    """
    root = _root(text, source)
    tracks = root.findall('track')
    length = int(root.findtext('meta/task/size') or 0) if interpolate else 0
    if classes is None:
        named = [name.text for name in root.findall('meta//labels/label/name')]
        classes = named or list(dict.fromkeys(track.get('label') for track in tracks))
    labels = {legal_xml(name): label for label, name in enumerate(classes)}
    table: Table = {name: [] for name in ('frame_id', 'x_min', 'y_min', 'x_max', 'y_max',
                                          'confidence', 'class_id', 'tracker_id')}
    for number, track in enumerate(tracks):
        if track.get('label') not in labels:
            raise ValueError(f'{source}: track {track.get("id")} has the label '
                             f'{track.get("label")!r}, which is none of {list(labels)[:5]}')
        boxes = sorted(track.findall('box'), key=lambda box: _frame(box, source))
        for box, after in zip(boxes, [*boxes[1:], None], strict=True):
            if box.get('outside') == '1':
                continue
            values = [box.get('frame'), *(box.get(corner) for corner in CORNERS),
                      box.findtext('attribute[@name="score"]') or 1,
                      labels[track.get('label')], track.get('id', number)]
            for frame_id, corners in _shown(box, after, length, source) if interpolate else (
                    (values[0], values[1:5]), ):
                for column, value in zip(table.values(), (frame_id, *corners, *values[5:]),
                                         strict=True):
                    column.append(value)
    name = root.findtext('meta/task/name') or source
    return from_table(dict(table, video_id=[name] * len(table['frame_id'])), classes, source)


def _root(text: str, source: str) -> Xml.Element:
    """The root of a file of CVAT for video."""
    try:
        root = Xml.fromstring(text)  # expat: entities of other files are not loaded
    except Xml.ParseError as error:
        raise ValueError(f'{source} is no XML text: {error}') from error
    if root.tag != 'annotations':
        raise ValueError(f'{source} is not CVAT for video: expected <annotations>, found '
                         f'<{root.tag}>')
    if root.find('image') is not None:
        raise ValueError(f'{source} is CVAT for images: export "CVAT for video 1.1"')
    return root


def _frame(box: Xml.Element, source: str) -> int:
    """Frame of a box."""
    number = box.get('frame') or ''
    if not number.isdecimal():
        raise ValueError(f'{source}: the frame of a box is {number!r}, expected a number from 0')
    return int(number)


def _shown(box: Xml.Element, after: Xml.Element | None, length: int,
           source: str) -> Iterator[tuple[int, list[float]]]:
    """Frames and corners of a box and those that CVAT interpolates up to the next one."""
    first = _frame(box, source)
    last = max(length, first + 1) if after is None else _frame(after, source)
    try:
        start, end = (np.array([float(item.get(corner)) for corner in CORNERS])
                      for item in (box, box if after is None or after.get('outside') == '1'
                                   else after))
    except (TypeError, ValueError) as error:
        raise ValueError(f'{source}: a box of frame {first} lacks one of {CORNERS}') from error
    for frame_id in range(first, last):
        yield frame_id, (start + (end - start) * (frame_id - first) / (last - first)).tolist()
