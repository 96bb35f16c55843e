"""Several processes without a GPU: start gloo where mmengine would look for CUDA.

mmengine's PyTorch launcher selects a CUDA device before it starts the process group, which fails on
a machine without one; a process group that already exists is used as it is. Importing this module
creates it, so ``configs/_base_/cpu_distributed.py`` imports it while the config is read.
"""

import os
from collections.abc import Mapping

import torch
from torch import distributed


def wants_gloo(environ: Mapping[str, str], *, has_gpu: bool) -> bool:
    """Whether a launcher started this process as one of several on a machine without a GPU."""
    return {'RANK', 'WORLD_SIZE'} <= environ.keys() and not has_gpu


def start_gloo() -> bool:
    """Create the gloo process group if one is wanted and there is none.

    Returns:
        Whether it was created now.
    """
    if not wants_gloo(os.environ, has_gpu=torch.cuda.is_available()):
        return False
    if distributed.is_initialized():
        return False
    distributed.init_process_group('gloo')
    return True


start_gloo()
