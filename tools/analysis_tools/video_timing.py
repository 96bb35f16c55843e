"""Steady state of a video, a stopwatch for the parts of a model, counters of launches and waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmvod_plugins.apis import init_video_detector
from mmvod_plugins.apis.session import array_pipeline
from mmvod_plugins.engine.where import find_config
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.adapters.two_stage import TwoStageAdapter
from mmvod_plugins.models.layers import RelationModule
from mmvod_plugins.structures import FramePlace, FrameRecord

#: Frames of the video that is made up; no window of a frame in its middle reaches an end.
LENGTH = 2000
#: Parts of a frame's time, in order. Those of temporal parts have the names of their modules, too.
DECODE, TRANSFORM, TRANSFER = 'decode', 'transform', 'transfer'
BACKBONE, DENSE, EMBEDDING = 'backbone', 'RPN or dense head', 'embedding'
TEMPORAL, HEAD, NMS, HOST = 'temporal part', 'head', 'NMS', 'host'
PARTS = (DECODE, TRANSFORM, TRANSFER, BACKBONE, DENSE, EMBEDDING, TEMPORAL, HEAD, NMS, HOST)


def made_up(count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 with random patches that move a little."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for t in range(count):
        picture = cv2.resize(np.roll(patches, t, axis=1), size, interpolation=cv2.INTER_CUBIC)
        yield cv2.add(picture, rng.integers(0, 24, (size[1], size[0], 3), dtype=np.uint8))


def at_size(config: Config, size: tuple[int, int]) -> Config:
    """The config with frames that keep their size and with no downloads."""
    for step in config.test_dataloader.dataset.pipeline:
        for transform in step.get('transforms', []):
            if transform.type == 'Resize':
                transform.scale = size
    remove_pretrained(config.model)
    return config


def remove_pretrained(part: object) -> None:
    """Remove pretrained weights from a model config, in place."""
    if isinstance(part, dict):
        if (part.get('init_cfg') or {}).get('type') == 'Pretrained':
            part['init_cfg'] = None
        for value in part.values():
            remove_pretrained(value)
    elif isinstance(part, list | tuple):
        for value in part:
            remove_pretrained(value)


def load_config(name: str) -> Config:
    """A config from a path, or from the name of an installed one."""
    return Config.fromfile(name if name.endswith('.py') else find_config(name))


class Stopwatch:
    """Adds up the seconds of sections that stand in each other, each without its inner ones.

    Args:
        clock: Gives seconds; on a GPU it waits for the work that was launched.

    Attributes:
        seconds: By section.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds: Counter[str] = Counter()
        self._open: list[str] = []
        self._last = 0.0

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Measure what runs inside."""
        self._lap()
        self._open.append(name)
        try:
            yield
        finally:
            self._lap()
            self._open.pop()

    def watch(self, owner: object, attribute: str, name: str) -> None:
        """Let a method of an object run in a section; until the end of the process."""
        function = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
            with self.section(name) if self._open else nullcontext():
                return function(*args, **kwargs)

        # past `nn.Module.__setattr__`, and frozen settings
        object.__setattr__(owner, attribute, timed)

    def _lap(self) -> None:
        now = self.clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._last
        self._last = now


def watch_parts(model: VideoDetector, stopwatch: Stopwatch) -> None:
    """Name the parts of a model in a stopwatch."""
    adapter = model.adapter
    two_stages = isinstance(adapter, TwoStageAdapter)
    stopwatch.watch(adapter, 'maps', BACKBONE)
    stopwatch.watch(adapter, 'raw', HEAD)
    stopwatch.watch(adapter, 'select', NMS)
    stopwatch.watch(adapter, 'objects', EMBEDDING if two_stages else DENSE)
    if two_stages:
        stopwatch.watch(adapter, 'propose', DENSE)
    for part in model.parts:
        for method in ('encode', 'enhance', 'enhance_windows', 'write'):
            stopwatch.watch(part, method, TEMPORAL)
    for module in modules_of(adapter.head, 'bbox_head'):
        stopwatch.watch(module, 'forward', HEAD)
        stopwatch.watch(module, 'predict_by_feat', HEAD)
    inner = [(part, name) for part in (*modules_of(adapter.head, 'aggregator'),
                                       *modules_of(model, 'temporal_neck'))
             for name, _ in part.named_children()]
    for part, name in [*inner, (adapter.head, 'temporal_roi_align')]:
        for module in modules_of(part, name):
            stopwatch.watch(module, 'forward', f'{TEMPORAL}: {name}')
    watch_bias(model, stopwatch)


def watch_bias(model: VideoDetector, stopwatch: Stopwatch) -> None:
    """Name the location bias of all relations."""
    for module in model.modules():
        if isinstance(module, RelationModule) and module.location is not None:
            stopwatch.watch(module, 'location_bias', f'{TEMPORAL}: location bias')


def modules_of(owner: nn.Module | None, name: str) -> list[nn.Module]:
    """The module of a name, those of a list or a dictionary of them, or none."""
    found = getattr(owner, name, None)
    if isinstance(found, nn.ModuleList | nn.ModuleDict):
        return list(found.children())
    return [] if found is None else [found]


class SteadyVideo:
    """A video whose key frames have all their references and full memories.

    Encoded frames stand for all that a key frame looks at, as copies: only shapes matter. In a step
    one frame is encoded anew, the one that the policy needs next, and a key frame is detected.

    Args:
        model: In evaluation mode.
        images: JPEG files of frames; they are decoded in turn.
        stopwatch: Has the parts of the model.
        device: Of the model.
    """

    def __init__(self, model: VideoDetector, images: Sequence[np.ndarray], stopwatch: Stopwatch,
                 device: str) -> None:
        self.model = model
        self.images = images
        self.stopwatch = stopwatch
        self.device = device
        self.pipeline = array_pipeline(model.cfg)
        self.memory = model.init_memory()
        # A method that detects all frames of a shuffled group at once has a steady state in whole
        # groups alone: videos of one group follow one another.
        self.group = getattr(model.policy, 'num_frames', None) \
            if type(model.policy).__name__ == 'ShuffledGroups' else None
        self.length = self.group or LENGTH
        self.key_id = 0 if self.group else LENGTH // 2
        self.passes = 0
        self._records: dict[int, FrameRecord] = {}
        self._templates: dict[Any, list[FrameRecord]] = {}
        maps = model.adapter.maps

        def counted(frames: Tensor) -> tuple[Tensor, ...]:
            self.passes += len(frames)
            return maps(frames)

        model.adapter.maps = counted

    @property
    def remembers(self) -> bool:
        """Whether a part of the model has a memory that fills frame by frame."""
        # by name, as packages of earlier commits do not have the class
        return any(part is not None and type(part).__name__ != 'KeptProjections'
                   for part in (self.memory.neck, self.memory.head))

    @property
    def period(self) -> int:
        """Frames after which the work on a frame repeats itself."""
        def work(frame_id: int) -> tuple:
            roles = self.model.policy.frames(frame_id, self.length)
            return self._plan(frame_id), {role: len(ids) for role, ids in roles.items()}

        if self.group:
            return self.group
        signs = [work(self.key_id + t) for t in range(80)]
        return next(p for p in range(1, 80) if all(a == b for a, b in zip(signs, signs[p:],
                                                                          strict=False)))

    def step(self) -> None:
        """Encode a frame and detect in the next key frame."""
        if self.key_id == self.length:
            self.key_id, self.memory = 0, self.model.init_memory()
        key_id = self.key_id
        roles = self.model.policy.frames(key_id, self.length)
        wanted = {key_id, *(t for ids in roles.values() for t in ids)}
        new = max(wanted - self._records.keys(), default=key_id)
        for frame_id in wanted - {new}:
            if frame_id not in self._records:
                self._records[frame_id] = self._copy(frame_id)
        with self.stopwatch.section(HOST):
            record = self.encode(new)
            self._records[new] = record
            references = {role: [self._records[t] for t in ids] for role, ids in roles.items()}
            self.model.detect(self._records[key_id], references, self.memory)
            self._records[key_id] = self.model.encoder.shrink(self._records[key_id])
        self.key_id += 1
        for frame_id in [t for t in self._records if t not in wanted]:
            del self._records[frame_id]

    def encode(self, frame_id: int) -> FrameRecord:
        """Decode a frame, transform it, move it to the device and pass it through the network."""
        section = self.stopwatch.section
        with section(DECODE):
            image = cv2.imdecode(self.images[frame_id % len(self.images)], cv2.IMREAD_COLOR)
        info = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2],
                    img_id=frame_id, frame_id=frame_id, img_path='', video_id=0, video_length=1,
                    ori_video_length=self.length)
        with section(TRANSFORM):
            packed = self.pipeline({key: [value] for key, value in info.items()})
        with section(TRANSFER):
            data = self.model.data_preprocessor({key: [value] for key, value in packed.items()})
        [record] = self.model.encode(data['inputs'], data['data_samples'])
        return record

    def _plan(self, frame_id: int) -> object:
        return self.model.policy.plan(FramePlace(0, frame_id, self.length))

    def _copy(self, frame_id: int) -> FrameRecord:
        """A record like the encoded ones of its plan, with tensors of its own."""
        plan = self._plan(frame_id)
        templates = self._templates.setdefault(plan, [])
        if len(templates) < 2:
            templates.append(self.encode(frame_id))
        record = templates[frame_id % len(templates)]
        objects = record.objects and record.objects.clone()
        if objects is not None:
            objects = replace(objects, frame_ids=torch.full_like(objects.frame_ids, frame_id))
        # maps are large, and parts only read them
        record = replace(record, place=FramePlace(0, frame_id, self.length), objects=objects,
                         extras=dict(record.extras))
        return record if frame_id >= self.key_id else self.model.encoder.shrink(record)


class DispatchCounter(TorchDispatchMode):
    """Counts operators that launch a kernel, and those for whose result a GPU's host waits.

    Custom operators of compiled extensions (NMS, RoIAlign) are not seen.

    Attributes:
        launches: Operators that are no views and compute something.
        waits: By name: values read by the host, and shapes that depend on data.
    """

    WAITS = ('_local_scalar_dense', 'nonzero', 'masked_select', 'is_nonzero', 'equal', '_unique2',
             'unique_dim', 'repeat_interleave')
    FREE = ('empty', 'detach', 'lift_fresh', 'alias', '_unsafe_view', 'is_same_size', 'resolve')

    def __init__(self) -> None:
        super().__init__()
        self.launches = 0
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any,  # noqa: ANN401 - torch's
                           args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401
        name = func.overloadpacket.__name__
        if name in self.WAITS or (name in ('index', 'index_put', 'index_put_')
                                  and _has_mask(args[1])):
            self.waits[name if name in self.WAITS else 'boolean index'] += 1
        if name == 'lift_fresh':  # a tensor from values of Python, which is copied to the device
            self.waits['copy of Python values'] += 1
        alias = [result.alias_info for result in func._schema.returns]
        view = any(info is not None and not info.is_write for info in alias)
        self.launches += not view and not name.startswith(self.FREE)
        return func(*args, **(kwargs or {}))


class HostReads(TorchFunctionMode):
    """Counts conversions of tensors to Python values that no dispatcher sees.

    Attributes:
        counts: By method.
    """

    NAMES = ('tolist', 'numpy', 'cpu', '__repr__', '__str__')

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any,  # noqa: ANN401 - torch's
                           args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401
        name = getattr(func, '__name__', '')
        if name in self.NAMES:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@dataclass
class Counts:
    """What a frame asks of a device.

    Attributes:
        launches: Kernels (on a CPU: operators that would be one).
        waits: Times that the host waits for the device, by reason.
    """

    launches: float = 0
    waits: dict[str, float] = field(default_factory=dict)


def count_step(video: SteadyVideo, frames: int) -> Counts:
    """Counts per frame, over some frames; on a CPU of the forms that a GPU takes."""
    dispatched, reads = DispatchCounter(), HostReads()
    with torch.no_grad(), forms_of_devices():
        video.step()  # what is computed once
        with dispatched, reads:
            for _ in range(frames):
                video.step()
    waits = dispatched.waits + reads.counts
    launches = dispatched.launches
    if video.device.startswith('cuda'):
        launches = _launched(video, frames)
    return Counts(launches / frames, {name: count / frames for name, count in waits.items()})


def forms_of_devices() -> AbstractContextManager:
    """The forms for devices on a CPU; not of packages of earlier commits, which have no switch."""
    try:
        from mmvod_plugins.utils.forms import device_forms
    except ModuleNotFoundError:
        return nullcontext()
    return device_forms()


def _launched(video: SteadyVideo, frames: int) -> int:
    """Kernels that torch's profiler sees."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.no_grad(), torch.profiler.profile(activities=activities) as profiler:
        for _ in range(frames):
            video.step()
    return sum(event.count for event in profiler.key_averages()
               if event.key in ('cudaLaunchKernel', 'cudaLaunchKernelExC', 'cuLaunchKernel',
                                'cuLaunchKernelEx', 'cudaGraphLaunch'))


def make_video(name: str, size: tuple[int, int], device: str) -> SteadyVideo:
    """A video for a config, with random weights and frames."""
    model = init_video_detector(at_size(load_config(name), size), device=device)
    images = [cv2.imencode('.jpg', frame)[1] for frame in made_up(4, size)]
    stopwatch = Stopwatch(clock_of(device))
    watch_parts(model, stopwatch)
    return SteadyVideo(model, images, stopwatch, device)


def clock_of(device: str) -> Callable[[], float]:
    """Processor seconds on a CPU, seconds after all work is done on a GPU."""
    if not device.startswith('cuda'):
        return time.process_time

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised


def _has_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
