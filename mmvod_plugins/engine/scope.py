"""The scope ``mmvod_plugins``, in which mmengine builds what comes from ``mmvod_plugins::...``."""

from importlib import import_module

import mmdet.registry
from mmengine.registry import Registry

SCOPE = 'mmvod_plugins'


def register_scope() -> None:
    """Let ``_base_`` and ``mmengine.hub`` find our configs, and mmengine our scope.

    mmengine marks every part of a config that comes from another package with its scope
    (``_scope_``). Ours has no components of its own: all are registered in mmdet's registries, to
    which these are children. A registry imports the modules of its components when it is first
    asked, but not those of its parent: the children name both.
    """
    # A module, not the package: mmengine 0.10.7 looks for an installed package beside its metadata,
    # where one that is installed with `pip install -e` is not, but for a module where Python finds
    # it. Both give the folder of the package.
    import_module('mmengine.config.utils').MODULE2PACKAGE.setdefault(SCOPE, f'{SCOPE}.version')
    for registry in vars(mmdet.registry).values():
        if isinstance(registry, Registry) and SCOPE not in registry.children:
            Registry(registry.name, parent=registry, scope=SCOPE,
                     locations=[SCOPE, *registry._locations])
