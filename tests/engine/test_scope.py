"""The scope of our installed configs, in a process that has imported nothing else."""

import subprocess
import sys

import pytest

BUILD = '''
from mmengine.registry import {registry}, init_default_scope
import mmvod_plugins
init_default_scope('mmdet')
built = {registry}.build(dict(type={name!r}, _scope_='mmvod_plugins'))
assert type(built).__name__ == {name!r}
'''


@pytest.mark.parametrize(('registry', 'name'), [
    ('HOOKS', 'NumClassCheckHook'), ('TRANSFORMS', 'PackDetInputs')])
def test_components_of_mmdet_are_found_from_our_scope(registry, name):
    subprocess.run([sys.executable, '-W', 'ignore', '-c',
                    BUILD.format(registry=registry, name=name)], check=True)
