"""Print the path of an installed config: ``python -m mmvod_plugins.where NAME``.

``NAME`` is a path below ``configs``, a config's file name with or without ``.py``, or ``configs``,
``tools`` or ``configs/<folder>`` for a folder. ``mim`` and mmdet's scripts take the printed path.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def installed_folder(name: str, package: Path = PACKAGE) -> Path:
    """The installed folder ``configs`` or ``tools``.

    Args:
        name: Name of the folder.
        package: Folder of the package; its ``.mim`` comes first, then the source checkout.

    Raises:
        FileNotFoundError: If neither has it.
    """
    places = (package / '.mim' / name, package.parent / name)
    for folder in places:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f'mmvod_plugins was installed without its {name}, looked in '
                            f'{" and ".join(map(str, places))}: install it again.')


def find_config(name: str, configs: Path | None = None) -> Path:
    """Find a config by its path below ``configs`` or by its file name.

    Args:
        name: Path or name, with or without ``.py``.
        configs: Folder to search; None for the installed configs.

    Raises:
        FileNotFoundError: If there is none, or several have the name.
    """
    configs = installed_folder('configs') if configs is None else configs
    relative = name.removeprefix('configs/').removesuffix('.py') + '.py'
    if (configs / relative).is_file():
        return configs / relative
    found = [path for path in sorted(configs.rglob('*.py')) if path.name == relative]
    if len(found) == 1:
        return found[0]
    if found:
        raise FileNotFoundError(f'several configs are called {name!r}, name one of: '
                                + ', '.join(str(path.relative_to(configs)) for path in found))
    raise FileNotFoundError(f'no config {name!r} in {configs}; `python -m mmvod_plugins.where '
                            'configs` prints the folder to search.')


def where(name: str) -> Path:
    """Path of an installed config, or of the folder ``configs``, ``tools`` or one below."""
    top, _, below = name.rstrip('/').partition('/')
    if top in ('configs', 'tools'):
        path = installed_folder(top) / below
        if path.exists():
            return path
    return find_config(name)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line entry: print one path."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1 or arguments[0].startswith('-'):
        sys.exit(__doc__)
    try:
        sys.stdout.write(f'{where(arguments[0])}\n')
    except FileNotFoundError as error:
        sys.exit(str(error))
