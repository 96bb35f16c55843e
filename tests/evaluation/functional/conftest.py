"""Makes the plain transcription importable, which lies with the benchmark that uses it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / 'tools' / 'analysis_tools'))
