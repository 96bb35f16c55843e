"""One policy for loader, sampler and model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmvod_plugins.datasets.transforms import SampleReferenceFrames
from mmvod_plugins.references import KeyFrameOnly, ReferencePolicy


@HOOKS.register_module()
class CheckReferencesHook(Hook):
    """Refuse a run whose config names different reference policies.

    They stand in ``model.references``, in ``SampleReferenceFrames`` of the training pipeline, and
    in the samplers of validation and testing; before the first iteration all are compared with
    the model's. A sampler of the natural order (a stock one, or ``VideoStreamSampler`` without
    references) is allowed and logged: it gives the same detections, but the model keeps more
    frames. Models without references of their own are not looked at.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Compare the policies of training, and those of the validation to come."""
        expected = model_policy(runner.model)
        for place, found in clip_policies(runner.train_dataloader.dataset):
            _compare(expected, found, f'train_dataloader.{place}')
        if runner.val_loop is not None:
            self.before_val(runner)

    def before_val(self, runner: Runner) -> None:
        """Compare the policies of validation."""
        _check_sampler(runner, runner.val_dataloader, 'val_dataloader.sampler')

    def before_test(self, runner: Runner) -> None:
        """Compare the policies of testing."""
        _check_sampler(runner, runner.test_dataloader, 'test_dataloader.sampler')


def model_policy(model: nn.Module) -> ReferencePolicy | None:
    """The policy of a model, which may be wrapped for several processes; None if it has none."""
    policy = getattr(model.module if is_model_wrapper(model) else model, 'references', None)
    return policy if isinstance(policy, ReferencePolicy) else None


def clip_policies(dataset: Any,  # noqa: ANN401 any dataset or wrapper of datasets
                  place: str = 'dataset') -> Iterator[tuple[str, ReferencePolicy]]:
    """Every ``SampleReferenceFrames`` in a dataset and in those that it wraps.

    Args:
        dataset: A dataset with a ``pipeline``, or a wrapper with ``dataset`` or ``datasets``.
        place: Key of the dataset in the config.

    Yields:
        The key of the policy in the config, and the policy. The parts of a concatenation are
        named by the pipeline that they share.
    """
    for i, transform in enumerate(getattr(getattr(dataset, 'pipeline', None), 'transforms', ())):
        if isinstance(transform, SampleReferenceFrames):
            yield f'{place}.pipeline[{i}].references', transform.policy
    if hasattr(dataset, 'dataset'):
        yield from clip_policies(dataset.dataset, f'{place}.dataset')
    for part in getattr(dataset, 'datasets', ()):
        yield from clip_policies(part, place)


def sampler_policy(loader: DataLoader) -> ReferencePolicy | None:
    """The policy in whose schedule a loader reads; None if its sampler has none."""
    for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
        policy = getattr(sampler, 'policy', None)
        if isinstance(policy, ReferencePolicy):
            return policy
    return None


def _check_sampler(runner: Runner, loader: DataLoader, place: str) -> None:
    """Compare a sampler with the model; without ``max_records`` the natural order will do."""
    expected, found = model_policy(runner.model), sampler_policy(loader)
    nothing = (None, KeyFrameOnly())
    if found in nothing and expected in nothing:
        return
    if found in nothing and expected.max_records is None:
        runner.logger.info(
            f'{place} gives the frames in their natural order: detections are the same, but the '
            'model keeps more frames than with VideoStreamSampler and the references of '
            f'model.references, {expected!r}')
        return
    _compare(expected, found, f'{place}.references')


def _compare(expected: ReferencePolicy | None, found: ReferencePolicy | None, place: str) -> None:
    """Refuse two policies that differ.

    Raises:
        ValueError: With the keys and the values of both.
    """
    if expected is not None and expected != found:
        raise ValueError(
            f'two reference policies in one config: model.references is {expected!r}, but {place} '
            f'is {found!r}. Give both the same value; the head of configs/_base_/datasets/'
            'imagenet_vid_fgfa_style.py shows how a config sets it everywhere')
