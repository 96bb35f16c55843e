"""Write the numbers of docs/benchmarks/toyvid.csv into the pages; --check compares them only.

A page says where by comments: ``<!-- toyvid: mega -->`` ... ``<!-- end -->`` holds a clause about
the row mega, ``<!-- toyvid: mega degraded -->`` one of its columns, ``<!-- toyvid: table -->`` the
whole table but for the rows ``...-early``, ``<!-- toyvid: table early -->`` these.
benchmark_toyvid.py writes the file.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmvod_plugins.utils.files import write_text

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / 'docs/benchmarks/toyvid.csv'
MARK = re.compile(r'<!-- toyvid: ([\w ,-]+) -->(.*?)<!-- end -->', re.DOTALL)
#: Ending of the rows that start from a detector that has not converged.
EARLY = 'early'
#: Columns of the table, with the title, the spread's column and the format.
COLUMNS = {
    'AP50': ('AP50', 'spread', '.1f'), 'slow': ('slow', None, '.1f'),
    'medium': ('medium', None, '.1f'), 'fast': ('fast', None, '.1f'),
    'clean': ('clean', None, '.1f'), 'degraded': ('degraded', None, '.1f'),
    'gain': ('over its control', 'gain_spread', '+.1f'), 'ms': ('ms per frame', None, '.1f'),
    'host_MB': ('MB', None, '.1f'), 'million_parameters': ('M parameters', None, '.1f'),
}

Row = Mapping[str, str]


def value(row: Row, column: str) -> str:
    """A number of a row, with its spread if it has one; empty where there is none."""
    if column == 'runs':
        return row[column]
    _, spread, form = COLUMNS[column]
    if not row[column]:
        return ''
    beside = f' ± {float(row[spread]):.1f}' if spread and row[spread] else ''
    return f'{float(row[column]):{form}}{beside}'


def clause(rows: Mapping[str, Row], name: str) -> str:
    """AP50 of a row, of its control, the gain and the number of runs."""
    row = rows[name]
    runs = int(row['runs'])
    if not runs:
        return 'not run yet'
    beside = '' if not row['control'] else (
        f', its control {value(rows[row["control"]], "AP50")}: {value(row, "gain")}')
    return f'AP50 {value(row, "AP50")}{beside} ({"1 run" if runs == 1 else f"{runs} seeds"})'


def table(rows: Mapping[str, Row], names: Sequence[str] = ()) -> str:
    """The table of some rows: by default those that start late, with ``early`` the others."""
    head = ['method', 'runs', *(title for title, _, _ in COLUMNS.values())]
    lines = [f'| {" | ".join(head)} |', '|' + '---|' * len(head)]
    if not names or list(names) == [EARLY]:
        names = [name for name in rows if name.endswith(f'-{EARLY}') == bool(names)]
    for name in names:
        cells = [name, rows[name]['runs'], *(value(rows[name], column) for column in COLUMNS)]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(['', *lines, ''])


def filled(text: str, rows: Mapping[str, Row], page: str = 'page') -> str:
    """A page with today's numbers.

    Raises:
        KeyError: If a comment names a row or a column that does not exist.
    """
    def replace(found: re.Match) -> str:
        name, *rest = found[1].replace(',', ' ').split()
        try:
            if name == 'table':
                content = table(rows, rest)
            else:
                content = value(rows[name], rest[0]) if rest else clause(rows, name)
        except KeyError as error:
            raise KeyError(f'{page}: {found[1]!r} names {error}, which {TABLE.name} does not '
                           'have') from error
        return f'<!-- toyvid: {found[1]} -->{content}<!-- end -->'

    return MARK.sub(replace, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args(argv)
    with TABLE.open(encoding='utf-8', newline='') as file:
        rows = {row['method']: row for row in csv.DictReader(file)}
    stale = []
    for page in (ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))):
        text = page.read_text(encoding='utf-8')
        new = filled(text, rows, str(page.relative_to(ROOT)))
        if new != text:
            stale.append(page)
            if not args.check:
                write_text(page, new)
    for page in stale:
        print(f'{page.relative_to(ROOT)}: {"out of date" if args.check else "written"}')
    return int(args.check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
