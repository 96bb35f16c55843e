"""What a wheel holds, and what it demands."""

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('configs', 'mmvod_plugins', 'tools', 'setup.py', 'setup.cfg', 'pyproject.toml',
           'MANIFEST.in', 'README.md', 'LICENSE', 'NOTICE')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The package's wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp('packaging')
    for name in SOURCES:
        source, target = ROOT / name, folder / 'source' / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('.mim', '__pycache__'))
        else:
            shutil.copy2(source, target)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation',
                    '--quiet', '--wheel-dir', folder, folder / 'source'], check=True)
    return zipfile.ZipFile(next(folder.glob('*.whl')))


def test_the_wheel_holds_configs_and_tools(wheel):
    names = set(wheel.namelist())
    for path in [*(ROOT / 'configs').rglob('*.py'), *(ROOT / 'tools').rglob('*.sh')]:
        assert f'mmvod_plugins/.mim/{path.relative_to(ROOT)}' in names
    for name in ('page.html', 'page.js', 'page.css'):
        assert f'mmvod_plugins/page/{name}' in names
    assert not [name for name in names if name.startswith(('tests', 'tools', 'configs'))]


def test_the_wheel_forces_neither_stack(wheel):
    name = next(name for name in wheel.namelist() if name.endswith('METADATA'))
    demands = Parser().parsestr(wheel.read(name).decode()).get_all('Requires-Dist')
    forced = [demand for demand in demands if 'extra ==' not in demand]
    assert not [demand for demand in forced if 'mm' in demand]
    for extra in ('openmmlab', 'onedl', 'dev'):
        assert [demand for demand in demands if f'extra == "{extra}"' in demand]
