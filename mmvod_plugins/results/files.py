"""Writing and reading of results in the format that the name of a file or an option says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmvod_plugins.evaluation import Predictions, load_predictions, save_predictions
from mmvod_plugins.utils.files import check_output, replacing, write_text
from mmvod_plugins.utils.text import safe_stem

from . import csv_file, cvat, json_file, label_studio, mot
from .coco import from_coco, to_coco

Rates = Mapping[object, float]
#: Placeholder in the name of a file: one file for each video.
EACH = '{video}'


@dataclass(frozen=True)
class Format:
    """A format of results.

    Attributes:
        suffix: Ending of the file.
        write: Gives the content from predictions and frame rates by video id.
        read: Gives predictions from the content, class names or None, and the file's name; None
            if the format cannot be read.
        one_video: Whether a file holds one video.
        binary: Whether the content is bytes.
        check: Raises if something that it needs is not installed.
    """

    suffix: str
    write: Callable[[Predictions, Rates | None], str | bytes]
    read: Callable[..., Predictions] | None = None
    one_video: bool = False
    binary: bool = False
    check: Callable[[], object] = lambda: None


#: Formats by name; the first one with a suffix is that suffix's default.
FORMATS: dict[str, Format] = dict(
    json=Format('.json', json_file.to_json, json_file.from_json),
    jsonl=Format('.jsonl', lambda found, _: json_file.to_json_lines(found),
                 json_file.from_json_lines),
    csv=Format('.csv', lambda found, _: csv_file.to_csv(found), csv_file.from_csv),
    mot=Format('.txt', lambda found, _: mot.to_mot(found), mot.from_mot, one_video=True),
    cvat=Format('.xml', lambda found, _: cvat.to_cvat(found), cvat.from_cvat, one_video=True),
    parquet=Format('.parquet', lambda found, _: csv_file.to_parquet(found), csv_file.from_parquet,
                   binary=True, check=csv_file.pyarrow),
    coco=Format('.json', lambda found, _: to_coco(found), from_coco),
    label_studio=Format('.json', label_studio.to_label_studio),
)
SUFFIXES = ('.json', '.jsonl', '.csv', '.txt', '.xml', '.parquet', '.npz')


def check_results(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = (),
                  format: str | None = None) -> None:  # noqa: A002 the user's word
    """Check that results can be written, before the work that they are for.

    Args:
        path: As in :func:`write_results`.
        inputs: Files and folders that are read, which it must not replace.
        format: As in :func:`write_results`.

    Raises:
        ValueError: If the ending or the format is unknown, they do not fit, or the path is read.
        OSError: If the file cannot be written.
        ModuleNotFoundError: If the format needs a package that is not installed.
    """
    path = Path(path)
    if EACH in str(path.parent):
        raise ValueError(f'{path}: {EACH} is possible in the name of the file alone, not in its '
                         'folders')
    check_output(path, inputs, SUFFIXES)
    chosen = _format_of(path, format)
    if chosen is not None:
        chosen.check()


def write_results(path: str | os.PathLike[str], predictions: Predictions,
                  format: str | None = None,  # noqa: A002 the user's word
                  fps: Rates | None = None) -> list[Path]:
    """Write detections; an existing file is replaced only when the new one is complete.

    Args:
        path: Its ending chooses the format: ``.json``, ``.jsonl``, ``.csv``, ``.txt``
            (MOTChallenge), ``.xml`` (CVAT for video 1.1), ``.parquet``, ``.npz`` (everything, see
            ``docs/evaluation.md``). With ``{video}`` in its name every video has a file of its
            own, which ``.txt`` and ``.xml`` need for more than one.
        predictions: Of any number of videos.
        format: A name in :data:`FORMATS` where the ending does not say enough: ``'coco'`` and
            ``'label_studio'`` end with ``.json``.
        fps: Frames per second by video id, for JSON and Label Studio.

    Returns:
        The files.

    Raises:
        ValueError: If the format is not known, does not fit to the ending, or holds one video and
            there are others.
        OSError: If a file cannot be written.
        ModuleNotFoundError: If the format needs a package that is not installed.
    """
    path = Path(path)
    chosen = _format_of(path, format)
    if EACH in path.name:
        parts = [(path.with_name(name), Predictions([video], predictions.classes,
                                                    predictions.info))
                 for video, name in zip(predictions.videos, _names(path.name, predictions),
                                        strict=True)]
    elif chosen is not None and chosen.one_video and len(predictions.videos) != 1:
        raise ValueError(f'{path}: a {path.suffix} file holds one video, there are '
                         f'{len(predictions.videos)}: write {EACH} into its name, for instance '
                         f'{path.with_name(EACH + path.suffix)}')
    else:
        parts = [(path, predictions)]
    for file, part in parts:
        if chosen is None:
            save_predictions(file, part)
            continue
        content = chosen.write(part, fps)
        if isinstance(content, bytes):
            with replacing(file) as temporary:
                temporary.write_bytes(content)
        else:
            write_text(file, content)
    return [file for file, _ in parts]


def read_results(path: str | os.PathLike[str], classes: Sequence[str] | None = None,
                 format: str | None = None) -> Predictions:  # noqa: A002 the user's word
    """Read what :func:`write_results` wrote.

    Tables, MOTChallenge, CVAT and COCO know only frames with detections. A MOTChallenge text has
    no name of its video: it is the file's name without the ending.

    Args:
        path: One file.
        classes: Names of the classes, which MOTChallenge and COCO results do not have; None for
            those in the file, or numbers as names.
        format: A name in :data:`FORMATS`; None for the ending's. ``.json`` may be COCO results.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else, damaged, or of a format that cannot be read.
    """
    path = Path(path)
    chosen = _format_of(path, format)
    if chosen is None:
        return load_predictions(path)
    if chosen.read is None:
        raise ValueError(f'{path}: results for {format} can be written, not read')
    if chosen.binary:
        return chosen.read(path.read_bytes(), classes, str(path))
    try:
        with path.open(encoding='utf-8-sig', newline='') as file:  # Excel's CSV begins with a mark
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is no UTF-8 text: {error}') from error
    if format is None and path.suffix == '.json' and text.lstrip().startswith('['):
        chosen = FORMATS['coco']
    named = path.stem if chosen is FORMATS['mot'] else str(path)
    return chosen.read(text, classes, named)


def _format_of(path: Path, name: str | None) -> Format | None:
    """The format of a file; None for npz."""
    suffix = path.suffix.lower()
    if name is None and suffix == '.npz':
        return None
    if name is None:
        name = next((name for name, known in FORMATS.items() if known.suffix == suffix), suffix)
    if name not in FORMATS:
        raise ValueError(f'{path}: no format {name!r}; the name of a file of results ends with one '
                         f'of {", ".join(SUFFIXES)}, formats are {", ".join(FORMATS)}')
    if FORMATS[name].suffix != suffix:
        raise ValueError(f'{path}: results for {name} end with {FORMATS[name].suffix}')
    return FORMATS[name]


def _names(pattern: str, predictions: Predictions) -> list[str]:
    """A file name for every video; equal ones are numbered."""
    names: list[str] = []
    for video in predictions.videos:
        stem, count = safe_stem(video.video_id), 1
        while (name := pattern.replace(EACH, stem if count == 1 else f'{stem}_{count}')) in names:
            count += 1
        names.append(name)
    return names
