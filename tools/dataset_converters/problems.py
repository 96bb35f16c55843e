"""Problems of a data set: one line each, with a remedy, summarised when there are many."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        kind: Short name shared by all findings of a rule.
        where: What it concerns: an id or a path.
        found: What is wrong, with the value found.
        remedy: What to do; the same for all findings of a kind.
        is_error: False if the data can be used, but perhaps not as meant.
    """

    kind: str
    where: str
    found: str
    remedy: str
    is_error: bool = True


def report(problems: Iterable[Problem], limit: int = 10) -> list[str]:
    """Lines to print: errors first, at most ``limit`` per kind, then the totals."""
    problems = sorted(problems, key=lambda item: not item.is_error)
    totals = Counter((item.kind, item.is_error) for item in problems)
    shown: Counter[tuple[str, bool]] = Counter()
    lines = []
    for item in problems:
        key = item.kind, item.is_error
        shown[key] += 1
        level = 'error' if item.is_error else 'warning'
        if shown[key] <= limit:
            lines.append(f'{level} [{item.kind}] {item.where}: {item.found}; {item.remedy}')
        elif shown[key] == totals[key]:
            lines.append(f'{level} [{item.kind}] and {totals[key] - limit} more of this kind')
    errors = sum(item.is_error for item in problems)
    lines.append(f'{errors} errors, {len(problems) - errors} warnings')
    return lines
