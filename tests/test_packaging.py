"""What a wheel and a source distribution hold, and what they demand."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('configs', 'docs', 'mmvod_plugins', 'tools', 'setup.py', 'setup.cfg', 'pyproject.toml',
           'MANIFEST.in', 'README.md', 'CHANGELOG.md', 'LICENSE', 'NOTICE', 'model-index.yml')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """A copy of the sources."""
    folder = tmp_path_factory.mktemp('packaging') / 'source'
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('.mim', '__pycache__'))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy2(source, target)
    return folder


@pytest.fixture(scope='module')
def wheel(sources):
    """The package's wheel."""
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation',
                    '--quiet', '--wheel-dir', sources.parent, sources], check=True)
    return zipfile.ZipFile(next(sources.parent.glob('*.whl')))


def test_the_source_distribution_holds_what_a_build_and_a_reader_need(sources):
    build = 'import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])'
    subprocess.run([sys.executable, '-c', build, sources.parent], check=True, cwd=sources,
                   capture_output=True)
    with tarfile.open(next(sources.parent.glob('*.tar.gz'))) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    for folder in ('configs', 'docs', 'tools', 'mmvod_plugins'):
        for path in (sources / folder).rglob('*'):
            if path.suffix in ('.py', '.md', '.yml', '.png', '.svg', '.sh'):
                assert path.relative_to(sources).as_posix() in names
    assert {'model-index.yml', 'mmvod_plugins/py.typed', 'docs/requirements.txt',
            'setup.py'} <= names


def test_the_wheel_holds_configs_and_tools(wheel):
    names = set(wheel.namelist())
    for path in [*(ROOT / 'configs').rglob('*.py'), *(ROOT / 'tools').rglob('*.sh')]:
        assert f'mmvod_plugins/.mim/{path.relative_to(ROOT)}' in names
    for name in ('page/page.html', 'page/page.js', 'page/page.css', 'py.typed',
                 '.mim/model-index.yml'):
        assert f'mmvod_plugins/{name}' in names
    assert not [name for name in names if name.startswith(('tests', 'tools', 'configs'))]


def test_the_wheel_forces_neither_stack(wheel):
    name = next(name for name in wheel.namelist() if name.endswith('METADATA'))
    demands = Parser().parsestr(wheel.read(name).decode()).get_all('Requires-Dist')
    forced = [demand for demand in demands if 'extra ==' not in demand]
    assert not [demand for demand in forced if 'mm' in demand]
    for extra in ('openmmlab', 'onedl', 'dev'):
        assert [demand for demand in demands if f'extra == "{extra}"' in demand]
