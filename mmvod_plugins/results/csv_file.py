"""CSV, one row per detection, and parquet with the same columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from mmvod_plugins.evaluation import Predictions

from .table import COLUMNS, from_table, to_table


def to_csv(predictions: Predictions) -> str:
    """A text with a header; an unlinked detection has an empty ``tracker_id``."""
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(zip(*to_table(predictions).values(), strict=True))
    return text.getvalue()


def from_csv(text: str, classes: Sequence[str] | None = None, source: str = 'csv') -> Predictions:
    """Detections from a text with a header; further columns are ignored.

    Raises:
        ValueError: If it has no header, a row of another length, or what is no number.
    """
    header, *rows = list(csv.reader(io.StringIO(text, newline=''))) or [[]]
    rows = [row for row in rows if row]
    bad = next((row for row in rows if len(row) != len(header)), None)
    if bad is not None:
        raise ValueError(f'{source}: row {rows.index(bad) + 1} has {len(bad)} values, the header '
                         f'has {len(header)}')
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return from_table(dict(zip(header, columns, strict=True)), classes, source)


def to_parquet(predictions: Predictions) -> bytes:
    """A parquet file with the columns of the CSV file.

    Raises:
        ModuleNotFoundError: If pyarrow is not installed, with the remedy.
    """
    arrow = pyarrow()
    types = dict.fromkeys(COLUMNS, arrow.float32()) | dict(
        video_id=arrow.string(), class_name=arrow.string(), frame_id=arrow.int64(),
        class_id=arrow.int32(), tracker_id=arrow.int64())
    table = arrow.table({name: arrow.array(values, types[name])
                         for name, values in to_table(predictions).items()})
    sink = arrow.BufferOutputStream()
    import_module('pyarrow.parquet').write_table(table, sink)
    return sink.getvalue().to_pybytes()


def from_parquet(data: bytes, classes: Sequence[str] | None = None,
                 source: str = 'parquet') -> Predictions:
    """Detections from a parquet file.

    Raises:
        ModuleNotFoundError: If pyarrow is not installed.
        ValueError: If a column is missing, or it is no parquet file (pyarrow's own).
    """
    pyarrow()
    table = import_module('pyarrow.parquet').read_table(io.BytesIO(data))
    return from_table(table.to_pydict(), classes, source)


def pyarrow() -> ModuleType:
    """The optional package pyarrow.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        return import_module('pyarrow')
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('parquet files need pyarrow, which is not installed: pip install '
                                  'pyarrow, or choose .csv, which has the same columns') from error
