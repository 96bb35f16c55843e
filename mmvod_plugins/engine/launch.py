"""Run the scripts of the installed mmdet, after what a video detector's user should know.

The scripts read the command line themselves, so every option of theirs works. Only these things
are looked at: options that cannot work are refused before anything is loaded, a config may be
named as ``python -m mmvod_plugins.where`` names it, and known faults of old versions are worked
around. ``--out`` of the test script becomes ``dump_predictions`` of :class:`VideoRunner` unless it
names a pickle file: mmdet's own would lose most of the frames. Checkpoints are read without
running code that they contain; ``--trust``, an option of ours, allows it.
"""

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import mmdet
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log

from mmvod_plugins.checkpoints import CheckpointError, guard_mmengine
from mmvod_plugins.where import find_config

from .starting_point import check_starting_point
from .video_runner import VideoRunner

TRUST = '--trust'
DEVICES_WITHOUT_AMP = ('cpu', 'mps')

TTA_REFUSED = (
    '--tta is not possible: a video detector keeps one stream per video, and test-time '
    'augmentation would feed it every frame several times. Leave it out; to test a plain detector '
    "on still images with it, use mmdet's own tools/test.py.")
AMP_REFUSED = (
    "--amp needs a GPU: mmengine's AmpOptimWrapper has no mixed precision on {device!r}. Leave it "
    'out, or check that torch sees the GPU (`python -c "import torch; '
    'print(torch.cuda.is_available())"`).')
OUT_TRUNCATES = (
    "--out with a pickle file is mmdet's own and keeps only as many frames as there are videos. "
    'The printed metrics are right. To keep every detection name a file NAME.npz, or a folder.')
RUNNER_TAKEN = (
    "--out needs runner_type='VideoRunner', but the config sets it to {runner_type!r}. Add "
    "dict(type='DumpVideoPredictions', out='{out}') to the list test_evaluator instead.")


def stock_script(name: str) -> Path:
    """A script of the installed mmdet, ``train.py`` or ``test.py``.

    Raises:
        FileNotFoundError: mmdet was installed without its tools.
    """
    package = Path(mmdet.__file__).resolve().parent
    places = (package / '.mim' / 'tools' / name, package.parent / 'tools' / name)
    for script in places:
        if script.is_file():
            return script
    raise FileNotFoundError(f'mmdet {mmdet.__version__} was installed without its {name}, looked '
                            f'in {" and ".join(map(str, places))}: install mmdet again.')


def read_arguments(script: Path) -> argparse.Namespace:
    """Arguments that a stock script reads from the command line, ``--help`` and errors included."""
    spec = spec_from_file_location(f'mmdet_tools_{script.stem}', script)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse_args()


def refusal(args: argparse.Namespace, device: str) -> str | None:
    """Why these options cannot work on this device, with the remedy."""
    if getattr(args, 'tta', False):
        return TTA_REFUSED
    if getattr(args, 'amp', False) and device in DEVICES_WITHOUT_AMP:
        return AMP_REFUSED.format(device=device)
    return None


def with_config_path(argv: Sequence[str], config: str) -> list[str]:
    """The arguments with the config's path in place of an installed config's name.

    Args:
        argv: The command line without the script.
        config: The config as it was named there.

    Raises:
        FileNotFoundError: It is neither a file nor the name of an installed config.
    """
    position = list(argv).index(config)
    return [*argv[:position], resolve_config(config), *argv[position + 1:]]


def resolve_config(config: str) -> str:
    """Path of a config that is named by its path or, if it is installed, by its name."""
    return config if Path(config).exists() else str(find_config(config))


def with_predictions(argv: Sequence[str], out: str) -> list[str]:
    """Replace ``--out`` by the options of the runner that writes predictions.

    Args:
        argv: The command line without the script.
        out: What ``--out`` says there, whole or shortened as argparse allows it.
    """
    words, rest = list(argv), []
    while words:
        name, equals, _ = (word := words.pop(0)).partition('=')
        if len(name) < 3 or not '--out'.startswith(name):
            rest.append(word)
        elif not equals:
            words.pop(0)
    options = [f'runner_type={VideoRunner.__name__}', f'dump_predictions={out}']
    for position, word in enumerate(rest):
        if len(word) > 2 and '--cfg-options'.startswith(word):
            return [*rest[:position + 1], *options, *rest[position + 1:]]
    return [*rest, '--cfg-options', *options]


def notify(message: str) -> None:
    """Tell the user once, however many processes there are."""
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0':
        print_log(f'mmvod_plugins: {message}')


def run_stock_script(name: str) -> None:
    """Run ``train.py`` or ``test.py`` of the installed mmdet with our command line."""
    trust = TRUST in sys.argv
    sys.argv[1:] = [word for word in sys.argv[1:] if word != TRUST]
    try:
        script = stock_script(name)
        args = read_arguments(script)
        problem = refusal(args, get_device())
        if problem is not None:
            sys.exit(problem)
        arguments = with_config_path(sys.argv[1:], args.config)
        args.config = resolve_config(args.config)
        guard_mmengine(trust=trust)
        sys.argv[1:] = _prepared(args, arguments)
    except (FileNotFoundError, CheckpointError) as error:
        sys.exit(str(error))
    try:
        runpy.run_path(str(script), run_name='__main__')
    except CheckpointError as error:
        sys.exit(str(error))


def _prepared(args: argparse.Namespace, arguments: list[str]) -> list[str]:
    """Check what a run reads and writes; return the command line of the stock script."""
    config = merged_config(args)
    fresh = check_starting_point(args, config)
    if fresh is not None:
        notify(fresh)
        arguments = without_resume(arguments)
    out = getattr(args, 'out', None)
    if out and out.endswith(('.pkl', '.pickle')):
        notify(OUT_TRUNCATES)
    elif out:
        runner_type = config.get('runner_type')
        if runner_type not in (None, VideoRunner.__name__):
            sys.exit(RUNNER_TAKEN.format(runner_type=runner_type, out=out))
        arguments = with_predictions(arguments, out)
    return arguments


def merged_config(args: argparse.Namespace) -> Config:
    """The config with the options of the command line, as the stock scripts read it."""
    config = Config.fromfile(args.config)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return config


def without_resume(argv: Sequence[str]) -> list[str]:
    """The arguments without ``--resume [auto]``, whole or shortened as argparse allows it."""
    rest: list[str] = []
    dropped = False
    for word in argv:
        following, dropped = dropped, False
        name = word.partition('=')[0]
        if len(name) > 2 and '--resume'.startswith(name):
            dropped = True
        elif not (following and word == 'auto'):
            rest.append(word)
    return rest
