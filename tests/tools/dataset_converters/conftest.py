"""Makes the tools importable, as they import each other when they run as scripts."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[3] / 'tools'
sys.path.insert(0, str(TOOLS / 'dataset_converters'))


@pytest.fixture
def run_tool():
    """Run a converter as a user does; returns the finished process."""
    def run(script, *args):
        return subprocess.run(
            [sys.executable, str(TOOLS / 'dataset_converters' / script), *map(str, args)],
            capture_output=True, text=True, timeout=120, check=False)
    return run
