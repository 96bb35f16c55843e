"""Check of the installed mmengine, mmcv and mmdet.

Two distributions provide each import name: the official one and the maintained ``onedl-`` fork.
Only import names and version numbers are checked, so that either works.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

OPENMMLAB_COMMAND = "pip install 'mmvod_plugins[openmmlab]'"
ONEDL_COMMAND = "pip install 'mmvod_plugins[onedl]'"
BUILD_MMCV = ('pip install --force-reinstall --no-deps --no-cache-dir --no-build-isolation '
              '--no-binary :all: {name}=={version}')


@dataclass(frozen=True)
class Dependency:
    """An import name and its supported versions.

    Attributes:
        name: Import name.
        official: Distribution by OpenMMLab.
        fork: Maintained distribution with the same import name.
        minimum: Lowest version that works.
        tested: Highest ``major.minor`` that was tested.
    """

    name: str
    official: str
    fork: str
    minimum: str
    tested: str


DEPENDENCIES = (
    Dependency('mmengine', 'mmengine', 'onedl-mmengine', '0.10.7', '0.10'),
    Dependency('mmcv', 'mmcv', 'onedl-mmcv', '2.1.0', '2.3'),
    Dependency('mmdet', 'mmdet', 'onedl-mmdetection', '3.3.0', '3.5'),
)


def release(version: str) -> tuple[int, ...]:
    """Numbers of a version: ``2.13.0+cpu`` gives ``(2, 13, 0)``, ``3.5.1rc2`` ``(3, 5, 1)``."""
    match = re.match(r'\d+(\.\d+)*', version)
    if match is None:
        raise ValueError(f'a version starts with a number, got {version!r}')
    return tuple(int(part) for part in match.group().split('.'))


def check_installation(dependencies: Sequence[Dependency] = DEPENDENCIES) -> None:
    """Check every dependency and the compiled operators of mmcv.

    Raises:
        ImportError: If something is missing, too old or incomplete.
    """
    _warn_about_both_distributions(dependencies)
    for dependency in dependencies:
        version = installed_version(dependency)
        check_version(dependency, version)
        if dependency.name == 'mmcv':
            check_operators(dependency, version)


def installed_version(dependency: Dependency) -> str:
    """Import a dependency and return its version.

    Raises:
        ImportError: If it is missing, or rejects other installed packages.
    """
    try:
        return import_module(dependency.name).__version__
    except ModuleNotFoundError as error:
        if error.name != dependency.name:
            raise
        raise ImportError(
            f'mmvod_plugins needs {dependency.name}, which is not installed. It comes with '
            f'{dependency.official} ({OPENMMLAB_COMMAND}) or with the maintained fork '
            f'{dependency.fork} ({ONEDL_COMMAND}).') from error
    except AssertionError as error:  # mmdet 3.3 asserts the versions of mmcv and mmengine
        raise ImportError(
            f'{dependency.name} rejects another package: {error} Install one complete stack: '
            f'{OPENMMLAB_COMMAND} or {ONEDL_COMMAND}.') from error


def check_version(dependency: Dependency, version: str) -> None:
    """Raise for a version that is too old; warn of one that is newer than tested."""
    found = release(version)
    if found < release(dependency.minimum):
        raise ImportError(
            f'mmvod_plugins needs {dependency.name} >= {dependency.minimum}, found {version}. '
            f'Upgrade {dependency.official} ({OPENMMLAB_COMMAND}) or {dependency.fork} '
            f'({ONEDL_COMMAND}), whichever is installed.')
    if found[:2] > release(dependency.tested):
        warnings.warn(
            f'mmvod_plugins was tested with {dependency.name} up to {dependency.tested}.x, found '
            f'{version}: it will probably work.', stacklevel=2)


def check_operators(dependency: Dependency, version: str) -> None:
    """Check that mmcv has operators compiled for the installed torch.

    Raises:
        ImportError: If not, with the command that builds them.
    """
    try:
        import_module(f'{dependency.name}._ext')
    except ImportError as error:
        name = next((name for name in (dependency.official, dependency.fork) if _has(name)),
                    dependency.fork)
        raise ImportError(
            f'mmcv {version} has no usable compiled operators ({error}). mmcv-lite has none, and '
            'mmcv built in an isolated environment silently lacks them. Build them against the '
            'installed torch: pip install setuptools wheel ninja; '
            f'{BUILD_MMCV.format(name=name, version=version)}') from error


def _warn_about_both_distributions(dependencies: Sequence[Dependency]) -> None:
    for dependency in dependencies:
        if _has(dependency.official) and _has(dependency.fork):
            warnings.warn(
                f'{dependency.official} and {dependency.fork} are both installed and overwrite '
                "each other's files: uninstall both and install one of them.", stacklevel=3)


def _has(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
