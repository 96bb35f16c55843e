"""Adds ``mmvod_plugins/.mim`` to the package; everything else is in ``setup.cfg``.

OpenMMLab's ``mim`` and ``python -m mmvod_plugins.where`` find configs, tools and the model index
there: as links in an editable installation, as copies in a wheel.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CONTENTS = ('configs', 'tools', 'model-index.yml', 'dataset-index.yml')


def place(folder: Path, *, link: bool) -> None:
    """Put what there is of ``CONTENTS`` into a folder, replacing what it holds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in (ROOT / name for name in CONTENTS):
        target = folder / source.name
        if link and source.exists():
            target.symlink_to(os.path.relpath(source, folder))
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
        elif source.exists():
            shutil.copy2(source, target)


class BuildWithMim(build_py):
    """``build_py`` that also provides ``.mim``."""

    def run(self) -> None:
        """Build the package and place ``.mim`` beside its modules."""
        super().run()
        if self.editable_mode:
            place(ROOT / 'mmvod_plugins' / '.mim', link=True)
        else:
            place(Path(self.build_lib) / 'mmvod_plugins' / '.mim', link=False)


setup(cmdclass={'build_py': BuildWithMim})
