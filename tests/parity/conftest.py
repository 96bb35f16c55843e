"""Print the worst error of every parity case at the end."""

from .golden import WORST


def pytest_terminal_summary(terminalreporter):
    if WORST:
        terminalreporter.section('parity: worst errors')
        for case, text in WORST.items():
            terminalreporter.write_line(f'{case}: {text}')
