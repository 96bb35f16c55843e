"""Set-up of every test: components registered, mmdet's scope, one seed."""

import pytest
import torch
from mmdet.utils import register_all_modules

import mmvod_plugins  # noqa: F401 - registers the components

# Tiny models and several test processes: more threads would wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def _mmdet_scope():
    register_all_modules(init_default_scope=True)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
