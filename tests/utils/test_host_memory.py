"""Memory that a process frees stays with it, unless the user chose otherwise."""

import os
import platform
import subprocess
import sys

import pytest

from mmvod_plugins.utils import host_memory

BLOCKS, PAGE = 20, 4096
# the module alone: importing the package takes seconds
SCRIPT = f"""
import resource, runpy, sys
keep = runpy.run_path(sys.argv[2])['keep_freed_memory']
changed = sys.argv[1] == 'keep' and keep()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({BLOCKS}):
    b'x' * 2**26
print(changed, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word):
    """Whether memory is kept, and the new pages for blocks that are made and freed in turn."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('MALLOC_', 'GLIBC_TUNABLES'))}
    done = subprocess.run([sys.executable, '-c', SCRIPT, word, host_memory.__file__],
                          env=environment, check=True, capture_output=True, text=True)
    changed, count = done.stdout.split()
    return changed == 'True', int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='not the C library of GNU')
def test_freed_memory_serves_the_next_block():
    changed, plain = faults('plain')
    assert not changed
    if plain < BLOCKS * 2**26 // PAGE // 2:
        pytest.skip('this system gives large pages unasked')
    changed, kept = faults('keep')
    assert changed
    assert kept < plain / 4


@pytest.mark.parametrize(('name', 'value', 'library'), [
    ('MALLOC_ARENA_MAX', '2', 'glibc'), ('GLIBC_TUNABLES', 'glibc.malloc.arena_max=2', 'glibc'),
    ('OTHER', '1', '')], ids=['variable', 'tunable', 'another library'])
def test_a_choice_by_the_user_and_other_libraries_stay(monkeypatch, name, value, library):
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(host_memory.platform, 'libc_ver', lambda: (library, ''))
    monkeypatch.setattr(host_memory.ctypes, 'CDLL', lambda _: pytest.fail('was changed'))
    assert not host_memory.keep_freed_memory()
