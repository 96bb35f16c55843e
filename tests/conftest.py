"""Set-up of every test, and the summary of the parity tests."""

import pytest
import torch
from mmdet.utils import register_all_modules

import mmvod_plugins  # noqa: F401 - registers the components
from tests.parity.golden import WORST

# Tiny models and several test processes: more threads would wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def _mmdet_scope():
    register_all_modules(init_default_scope=True)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def pytest_sessionfinish(session):
    """A test process hands its parity errors to the main one."""
    if hasattr(session.config, 'workeroutput'):
        session.config.workeroutput['parity'] = WORST


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """The main process collects them."""
    WORST.update(getattr(node, 'workeroutput', {}).get('parity', {}))


def pytest_terminal_summary(terminalreporter):
    """Print the worst error of every parity case."""
    if WORST:
        terminalreporter.section('parity: worst errors')
        for case, text in sorted(WORST.items()):
            terminalreporter.write_line(f'{case}: {text}')
