"""Create ``.venv`` with everything this repository needs; ``make`` calls it before each target.

It prints each step and its usual duration, does nothing when the environment is up to date, and can
be interrupted at any time. It runs before anything is installed, so it is one file that needs the
standard library alone.
"""

from __future__ import annotations

import argparse
import enum
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 10), (3, 12)
NEEDED_GB = 4.0
KEY_FILES = ('requirements.txt', 'setup.cfg', 'setup.py', 'tools/setup_env.py')
HEADERS_CHECK = 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'
GPU_CHECK = 'import torch; assert torch.cuda.is_available()'
MMCV_CHECK = ('import torch, mmcv._ext, mmcv.ops; from importlib.metadata import version; '
              'assert version("{0}") == "{1}", version("{0}")')
CANNOT_COMPILE = ('no prebuilt wheel of mmcv is offered and {}: install that (on Debian and Ubuntu '
                  "`apt install {}`), or offer a wheel's folder with PIP_FIND_LINKS.")
HEARTBEAT_SEC = 60.0


class SetupError(Exception):
    """A problem and its remedy, in one sentence."""


class Action(enum.Enum):
    """Action that the environment needs."""

    NOTHING = 'nothing'
    COMPLETE = 'complete'
    REBUILD = 'rebuild'
    REFUSE = 'refuse'


@dataclass(frozen=True)
class Machine:
    """Prerequisites of a new environment.

    Attributes:
        python: Version of the interpreter, major and minor.
        missing_modules: Modules of the standard library that are not there.
        free_gb: Free space where the repository lies.
    """

    python: tuple[int, int]
    missing_modules: tuple[str, ...]
    free_gb: float

    def problem(self) -> str | None:
        """First reason why no environment can be created, or None."""
        if not OLDEST <= self.python <= NEWEST:
            return (f'Python {dotted(self.python)} cannot be used, it must be {dotted(OLDEST)} to '
                    f'{dotted(NEWEST)}: name one that is installed, as in '
                    '`make setup PYTHON=python3.11`.')
        if self.missing_modules:
            return (f'this Python lacks the module {self.missing_modules[0]!r}: install it (on '
                    f'Debian and Ubuntu `apt install python{dotted(self.python)}-venv`) or name '
                    'another interpreter with `make setup PYTHON=...`.')
        if self.free_gb < NEEDED_GB:
            return (f'{self.free_gb:.1f} GB are free where the repository lies and '
                    f'{NEEDED_GB:.0f} GB are needed: free some space or move the repository.')
        return None


@dataclass(frozen=True)
class Toolchain:
    """Prerequisites of compiling mmcv.

    Attributes:
        compiler: The C++ compiler, or None.
        has_headers: Whether the interpreter's C headers are installed.
        needs_nvcc: Whether torch sees a GPU, for which mmcv compiles CUDA operators.
        nvcc: The CUDA compiler, or None.
    """

    compiler: str | None
    has_headers: bool
    needs_nvcc: bool = False
    nvcc: str | None = None

    def problem(self) -> str | None:
        """First reason why mmcv cannot be compiled, or None."""
        if self.compiler is None:
            return CANNOT_COMPILE.format('no C++ compiler was found to build one', 'g++')
        if not self.has_headers:
            return CANNOT_COMPILE.format("Python has no C headers to build one with", 'python3-dev')
        if self.needs_nvcc and self.nvcc is None:
            return ('mmcv must be compiled for the GPU and nvcc was not found: install the CUDA '
                    'toolkit of the version that torch was built with and set CUDA_HOME, or '
                    'choose the CPU build of torch with TORCH_INDEX_URL.')
        return None


@dataclass(frozen=True)
class Stamp:
    """Origin of an environment; the key is empty until it is complete."""

    key: str
    python: str
    root: str
    torch_index: str


@dataclass(frozen=True)
class Found:
    """The environment as it was found.

    Attributes:
        usable: Its interpreter starts and has pip.
        unfinished: A step was running when the last set-up ended.
        stamp: None for an environment that somebody else made.
    """

    usable: bool
    unfinished: bool
    stamp: Stamp | None


def dotted(version: Sequence[int]) -> str:
    """A version as text, ``(3, 11)`` as ``3.11``."""
    return '.'.join(str(part) for part in version)


def decide(found: Found, wanted: Stamp, *, this_python: bool) -> Action:
    """Decide what an environment needs.

    Args:
        found: The environment.
        wanted: Stamp of an up-to-date one; an empty ``torch_index`` matches any.
        this_python: Whether the user named the interpreter; otherwise the one in use is kept.
    """
    stamp = found.stamp
    if found.unfinished:
        return Action.REBUILD
    if stamp is None:
        return Action.COMPLETE if found.usable else Action.REFUSE
    if not found.usable:
        return Action.REBUILD
    other_python = this_python and stamp.python != wanted.python
    other_torch = bool(wanted.torch_index) and stamp.torch_index != wanted.torch_index
    if stamp.root != wanted.root or other_python or other_torch:
        return Action.REBUILD
    return Action.NOTHING if stamp.key == wanted.key else Action.COMPLETE


def pins(requirements: str) -> dict[str, str]:
    """The pinned requirements of a file's text, by distribution."""
    found = re.findall(r'^([A-Za-z0-9_.-]+)==\S+', requirements, flags=re.MULTILINE)
    lines = {line.split('==')[0]: line.strip() for line in requirements.splitlines()}
    return {name: lines[name] for name in found}


def explain(log: str) -> str:
    """The remedy for a failed step, from what pip wrote."""
    if 'No space left on device' in log:
        return 'the disk is full: free some space (TMPDIR counts too) and run the command again.'
    if 'No matching distribution' in log or 'Connection' in log:
        return ('pip found no source for a package: check the network, PIP_INDEX_URL and '
                'TORCH_INDEX_URL, and run the command again.')
    if 'libGL' in log:
        return ('OpenCV misses a system library: install it (on Debian and Ubuntu '
                '`apt install libgl1 libglib2.0-0`) and run the command again.')
    return 'see the lines above; run the command again once the cause is removed.'


def refuse(problem: str | None) -> None:
    """Raise a problem if there is one."""
    if problem is not None:
        raise SetupError(problem)


def say(text: str) -> None:
    """Print a message without delay, also through a pipe."""
    print(f'[set-up] {text}', flush=True)


class Environment:
    """The virtual environment of a repository.

    Args:
        root: Folder of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / '.venv'
        self.python = self.folder / 'bin' / 'python'
        self.log = self.folder / 'setup.log'
        self._stamp = self.folder / 'mmvod_setup.json'
        self._unfinished = self.folder / 'mmvod_unfinished'

    def found(self) -> Found | None:
        """State of the environment, or None if it does not exist."""
        if not self.folder.exists():
            return None
        stamp = self._read()
        complete = stamp is not None and stamp.key
        usable = self.python.exists() and (complete or self.succeeds('import pip')[0])
        return Found(bool(usable), self._unfinished.exists(), stamp)

    def _read(self) -> Stamp | None:
        try:
            return Stamp(**json.loads(self._stamp.read_text()))
        except (FileNotFoundError, TypeError, ValueError):  # none, or of another version of this
            return None

    def create(self, stamp: Stamp) -> None:
        """Create the environment, replacing an existing one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.write(replace(stamp, key=''))
        self.run('a new environment in .venv', 'some seconds',
                 [sys.executable, '-m', 'venv', str(self.folder)])

    def pip(self, what: str, duration: str, *arguments: str) -> None:
        """Run one pip command as a step."""
        self.run(what, duration, [str(self.python), '-m', 'pip', *arguments])

    def run(self, what: str, duration: str, command: list[str]) -> None:
        """Run one step; a file marks it as unfinished meanwhile."""
        say(f'{what} ({duration}) ...')
        self._unfinished.write_text(what)
        start, offset = time.monotonic(), self.log.stat().st_size if self.log.exists() else 0
        with self.log.open('a') as log:
            code = _wait(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.root,
                                          close_fds=False, start_new_session=True), start)
        self._unfinished.unlink()
        if code:
            written = self.log.read_text(errors='replace')[offset:]
            say('\n'.join([f'{what}: failed with', *written.splitlines()[-15:]]))
            raise SetupError(f'{what}: {explain(written)}')
        say(f'{what}: done in {time.monotonic() - start:.0f} s')

    def succeeds(self, code: str) -> tuple[bool, str]:
        """Run Python code in it; whether it worked, and the last line it wrote."""
        done = subprocess.run([str(self.python), '-c', code], capture_output=True, text=True,
                              check=False, cwd=self.folder)
        return done.returncode == 0, (done.stderr or done.stdout).strip().split('\n')[-1]

    def write(self, stamp: Stamp) -> None:
        """Write the stamp atomically."""
        new = self._stamp.with_suffix('.new')
        new.write_text(json.dumps(asdict(stamp), indent=2) + '\n')
        new.replace(self._stamp)


def _wait(process: subprocess.Popen, start: float) -> int:
    """Wait for a step, with a message each minute; end it and its compilers with us."""
    try:
        while True:
            try:
                return process.wait(timeout=HEARTBEAT_SEC)
            except subprocess.TimeoutExpired:
                say(f'  still working, {(time.monotonic() - start) / 60:.0f} min')
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def install(environment: Environment, torch_index: str) -> None:
    """Install everything into an environment, in the order in which it can be built."""
    pinned = pins((environment.root / 'requirements.txt').read_text())
    mmcv, wheels = pinned['onedl-mmcv'], environment.folder / 'wheels'
    environment.pip('pip and the build tools', 'some seconds', 'install', '--upgrade', 'pip',
                    pinned['setuptools'], pinned['wheel'], pinned['ninja'])
    if not (reason_against(environment, mmcv) is None or offered(environment, mmcv, wheels)):
        refuse(toolchain(environment).problem())  # before anything large is downloaded
    index = ('--index-url', torch_index) if torch_index else ()
    environment.pip(pinned['torch'], '20 s to some minutes', 'install', pinned['torch'], *index)
    if reason_against(environment, mmcv) is not None:
        duration = 'a prebuilt wheel: some seconds'
        if not offered(environment, mmcv, wheels):
            refuse(toolchain(environment).problem())
            duration = 'compiled here: 5 to 30 minutes'
        environment.pip(mmcv, duration, 'install', '--no-deps', '--no-build-isolation',
                        '--force-reinstall', '--find-links', str(wheels), mmcv)
    environment.pip('the other packages of requirements.txt', 'about a minute', 'install',
                    '-r', 'requirements.txt')
    environment.pip('this package, editable', 'some seconds', 'install', '--no-deps',
                    '--no-build-isolation', '-e', '.')
    check(environment, mmcv)


def reason_against(environment: Environment, mmcv: str) -> str | None:
    """Reason why the installed mmcv cannot be used: missing, other version, no operators."""
    worked, reason = environment.succeeds(MMCV_CHECK.format(*mmcv.split('==')))
    return None if worked else reason


def offered(environment: Environment, requirement: str, folder: Path) -> bool:
    """Download a wheel into ``folder``; whether there is one."""
    command = [str(environment.python), '-m', 'pip', 'download', '--no-deps', '--only-binary',
               ':all:', '--dest', str(folder), requirement]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def toolchain(environment: Environment) -> Toolchain:
    """Available means to compile mmcv."""
    names = (os.environ['CXX'],) if 'CXX' in os.environ else ('c++', 'g++', 'clang++')
    compiler = next((path for name in names if (path := shutil.which(name))), None)
    headers, _ = environment.succeeds(HEADERS_CHECK)
    cuda_home = os.environ.get('CUDA_HOME', '/usr/local/cuda')  # as torch looks for it
    nvcc = shutil.which('nvcc', path=f'{cuda_home}/bin:{os.environ.get("PATH", "")}')
    sees_gpu, _ = environment.succeeds(GPU_CHECK)
    return Toolchain(compiler, headers, sees_gpu, nvcc)


def check(environment: Environment, mmcv: str) -> None:
    """Raise if mmcv was installed without its compiled operators."""
    reason = reason_against(environment, mmcv)
    if reason is not None and 'libGL' in reason:
        raise SetupError(explain(reason))
    if reason is not None:
        raise SetupError(
            f"mmcv's compiled operators cannot be used ({reason}): build them here with `.venv/bin/"
            'python -m pip install --force-reinstall --no-deps --no-cache-dir --no-build-isolation '
            f'--no-binary {mmcv.split("==")[0]} {mmcv}`, then run the command again.')


def this_machine(root: Path) -> Machine:
    """Prerequisites of a new environment on this machine."""
    missing = tuple(name for name in ('venv', 'ensurepip') if not importlib.util.find_spec(name))
    return Machine(tuple(sys.version_info[:2]), missing, shutil.disk_usage(root).free / 1e9)


def wanted_stamp(root: Path, torch_index: str) -> Stamp:
    """Stamp of an environment that is up to date."""
    digest = hashlib.sha256()
    for name in KEY_FILES:
        digest.update((root / name).read_bytes())
    return Stamp(digest.hexdigest(), dotted(sys.version_info[:2]), str(root), torch_index)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one set-up of a repository run at a time; a step that outlives it counts as running."""
    descriptor = os.open(root, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('another set-up of this repository is running: waiting for it ...')
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def setup(root: Path, *, this_python: bool) -> None:
    """Bring the environment of a repository up to date."""
    environment, torch_index = Environment(root), os.environ.get('TORCH_INDEX_URL', '')
    found, wanted = environment.found(), wanted_stamp(root, torch_index)
    action = decide(found, wanted, this_python=this_python) if found else Action.REBUILD
    if action is Action.NOTHING:
        return
    if action is Action.REFUSE:
        raise SetupError('.venv was not made by this script and has no working pip: remove it.')
    start, stamp = time.monotonic(), (found.stamp if found else None) or wanted
    if action is Action.REBUILD:
        refuse(this_machine(root).problem())
        if found:
            say('.venv is incomplete or was made for something else: making it anew.')
        environment.create(wanted)
        stamp = wanted
    say(f'what pip writes is in {environment.log.relative_to(root)}')
    install(environment, torch_index)
    environment.write(replace(stamp, key=wanted.key))
    say(f'complete after {time.monotonic() - start:.0f} s; the next run skips it.')


def main(argv: Sequence[str] | None = None) -> None:
    """Set up the environment, or end with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--this-python', action='store_true',
                        help='make .venv anew if another version of Python made it')
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('[set-up] ended; run it again to continue.'))
    try:
        with alone(ROOT):
            setup(ROOT, this_python=args.this_python)
    except SetupError as error:
        sys.exit(f'[set-up] stopped: {error}')
    except KeyboardInterrupt:
        sys.exit('[set-up] interrupted; run the same command again to continue.')


if __name__ == '__main__':
    main()
