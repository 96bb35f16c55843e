"""Imports of the programs in tools/misc."""

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / 'tools'
sys.path.insert(0, str(TOOLS / 'misc'))
