"""Export of a video detector to ONNX: two graphs, a manifest, and the runtime that reads them."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.detectors import FasterRCNN, TwoStageDetector
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

from mmvod_plugins.apis.build import class_names
from mmvod_plugins.apis.session import array_pipeline
from mmvod_plugins.models import VideoDetector
from mmvod_plugins.models.aggregators import (
    Aggregator,
    MEGAAggregator,
    RDNAggregator,
    SELSAAggregator,
)
from mmvod_plugins.models.layers.roi_align import CPURoIAlign
from mmvod_plugins.models.roi_heads import Conv5RoIExtractor, TemporalRoIHead
from mmvod_plugins.utils.files import write_text
from mmvod_plugins.version import __version__

from . import onnx_runtime
from .graphs import FrameGraph, Sizes, TemporalGraph
from .operators import OPSET, exportable_detectors, translations
from .policies import most_frames, policy_settings

#: Packages that the export needs beside torch.
PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
#: What can be exported, for errors and the documentation.
EXPORTABLE = ('SELSA, RDN and MEGA (TemporalRoIHead) in a two-stage detector with an RPN, without '
              'Temporal RoI Align and without a temporal neck')


def export_onnx(model: VideoDetector, out: str | Path, frame_shape: tuple[int, int]) -> Path:
    """Write a video detector as ``frame.onnx``, ``temporal.onnx`` and ``manifest.json``.

    ``video_runtime.py``, a copy of :mod:`~mmvod_plugins.deployment.onnx_runtime`, comes with them.

    Args:
        model: From :func:`~mmvod_plugins.apis.init_video_detector`, on the CPU.
        out: Folder, which is made if it does not exist.
        frame_shape: (height, width) of the frames that will be detected.

    Returns:
        The folder.

    Raises:
        ImportError: If a package of the extra ``export`` is missing.
        ValueError: If the model, its references or its test pipeline cannot be exported.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(f'the export needs {", ".join(missing)}: pip install '
                          "'mmvod_plugins[export]'")
    check_exportable(model)
    references = policy_settings(model.policy, model.detector.roi_head.needs.roles)
    preprocess = preprocess_settings(model, frame_shape)
    sizes = _sizes(model, references, preprocess)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'manifest.json').unlink(missing_ok=True)  # it comes last: a folder with one is whole
    graphs = {name: _write(graph(model, sizes), out / f'{name}.onnx')
              for name, graph in (('frame', FrameGraph), ('temporal', TemporalGraph))}
    shutil.copyfile(onnx_runtime.__file__, out / 'video_runtime.py')
    test_cfg = model.adapter.test_cfg
    manifest = dict(
        format=onnx_runtime.FORMAT,
        producer=f'mmvod_plugins {__version__}',
        method=model.detector.roi_head.method,
        classes=list(class_names(model)),
        frame_shape=list(frame_shape),
        preprocess=preprocess,
        references=references,
        bank=dict(frames=sizes.frames, objects=sizes.objects),
        memory=dict(frames=sizes.memory_frames, objects=sizes.memory_objects),
        suppression=dict(
            score_thr=test_cfg.score_thr, iou_threshold=test_cfg.nms.iou_threshold,
            offset=test_cfg.nms.get('offset', 0),
            class_agnostic=test_cfg.nms.get('class_agnostic', False),
            max_per_img=test_cfg.max_per_img),
        graphs=graphs)
    write_text(out / 'manifest.json', json.dumps(manifest, indent=1, ensure_ascii=False) + '\n')
    return out


def check_exportable(model: VideoDetector) -> None:
    """Refuse what the graphs do not hold.

    Raises:
        ValueError: With the part, and with what can be exported.
    """
    detector, head = model.detector, model.adapter.head
    refusal = f'; what can be exported: {EXPORTABLE}'
    if model.temporal_neck is not None:
        raise ValueError(f'{type(model.temporal_neck).__name__} cannot be exported{refusal}')
    if type(detector) not in (FasterRCNN, TwoStageDetector) or type(head) is not TemporalRoIHead:
        parts = type(detector).__name__, type(model.adapter.last_head).__name__
        raise ValueError(f'{" with ".join(parts)} cannot be exported{refusal}')
    if head.temporal_roi_align is not None or type(head.aggregator) not in _MEMORIES:
        raise ValueError(f'{head.method} cannot be exported{refusal}')
    expected = (
        ('rpn_head', getattr(detector, 'rpn_head', None), (RPNHead, )),
        ('roi_head.bbox_roi_extractor', head.bbox_roi_extractor,
         (SingleRoIExtractor, Conv5RoIExtractor)),
        *(('roi_layer', layer, (CPURoIAlign, )) for layer in head.bbox_roi_extractor.roi_layers))
    for name, part, types in expected:
        if type(part) not in types:
            raise ValueError(f'{name} is {type(part).__name__}, expected '
                             f'{" or ".join(t.__name__ for t in types)}{refusal}')
    if any(layer.pool_mode != 'avg' for layer in head.bbox_roi_extractor.roi_layers):
        raise ValueError("roi_layer.pool_mode must be 'avg' to be exported")
    for name in ('rpn', 'rcnn'):
        nms = detector.test_cfg[name].get('nms') or {}
        strange = set(nms) - {'type', 'iou_threshold', 'offset', 'class_agnostic', 'split_thr'}
        if nms.get('type') != 'nms' or 'iou_threshold' not in nms or strange:
            raise ValueError(f'test_cfg.{name}.nms is {dict(nms)}: only type="nms" with '
                             'iou_threshold, offset and class_agnostic can be exported')
    if not model.output.default:
        raise ValueError(f'{model.output} cannot be exported: the runtime gives suppressed '
                         'detections; omit model.detections')


def preprocess_settings(model: VideoDetector, frame_shape: tuple[int, int]) -> dict[str, Any]:
    """``preprocess`` of the manifest: how the test pipeline makes network inputs of such frames.

    Args:
        model: With its config.
        frame_shape: (height, width) of the frames.

    Raises:
        ValueError: If the pipeline does something else than to resize, normalise and pad.
    """
    if len(frame_shape) != 2 or min(frame_shape) < 1:
        raise ValueError(f'frame_shape must be (height, width), got {frame_shape}')
    frame = np.random.default_rng(0).integers(0, 256, (*frame_shape, 3), dtype=np.uint8)
    info = dict(img=frame, img_shape=frame_shape, ori_shape=frame_shape, img_id=0, frame_id=0,
                img_path='', video_id=0, video_length=1, ori_video_length=1)
    packed = array_pipeline(model.cfg)({key: [value] for key, value in info.items()})
    data = model.data_preprocessor({key: [packed[key]] for key in ('inputs', 'data_samples')})
    meta = data['data_samples'][0].video_data_samples[0].metainfo
    preprocessor = model.data_preprocessor
    mean, std = (getattr(preprocessor, name).flatten().tolist()
                 if preprocessor._enable_normalize else [default] * 3
                 for name, default in (('mean', 0.0), ('std', 1.0)))
    settings = dict(
        resize=list(meta['img_shape'][:2]), pad=list(data['inputs'].shape[-2:]),
        pad_value=preprocessor.pad_value, to_rgb=bool(preprocessor._channel_conversion),
        mean=mean, std=std, scale_factor=list(meta.get('scale_factor', (1.0, 1.0))))
    found = onnx_runtime.network_input(frame, settings)
    expected = data['inputs'][0].numpy()
    if found.shape != expected.shape or np.abs(found - expected).max() > 1e-4:
        steps = [step['type'] for step in model.cfg.test_dataloader.dataset.pipeline]
        raise ValueError(f'the test pipeline {steps} or the data_preprocessor does something else '
                         'than to resize (bilinear, by OpenCV), normalise and pad, which is what '
                         'can be exported')
    return settings


def _sizes(model: VideoDetector, references: list[dict[str, Any]],
           preprocess: dict[str, Any]) -> Sizes:
    head, proposals = model.detector.roi_head, model.detector.test_cfg.rpn.max_per_img
    objects = min(head.needs.topk or proposals, proposals)
    frames, levels = _MEMORIES[type(head.aggregator)](head.aggregator, objects)
    return Sizes(
        network_shape=tuple(preprocess['pad']), img_shape=tuple(preprocess['resize']),
        proposals=proposals, channels=head.embedding.fc.out_features, objects=objects,
        frames=most_frames(references), memory_frames=frames, memory_objects=levels)


def _no_memory(_: Aggregator, __: int) -> tuple[int, tuple[int, ...]]:
    return 0, ()


def _mega_memory(aggregator: MEGAAggregator, objects: int) -> tuple[int, tuple[int, ...]]:
    """Frames, and the objects of a frame by level."""
    if aggregator.init_memory() is None:
        return 0, ()
    distilled = min(aggregator.distilled_topk, objects)
    return aggregator.memory_size, (
        objects, *[distilled] * (len(aggregator.local_relations) - 1))


#: What can be exported: the sizes of the memory by class of aggregator.
_MEMORIES = {SELSAAggregator: _no_memory, RDNAggregator: _no_memory,
             MEGAAggregator: _mega_memory}


def _write(graph: FrameGraph | TemporalGraph, path: Path) -> dict[str, Any]:
    """Write a graph; returns its entry in the manifest."""
    import onnxscript.optimizer
    # it would say that torchvision is missing, whose operators are not used
    logging.getLogger('torch.onnx._internal.exporter._registration').setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad(), exportable_detectors():
        warnings.simplefilter('ignore')  # the exporter's notes on its own code
        # Traced first: inside of torch.onnx.export mmdet takes steps that only mmdet 2 had.
        traced = _trace(graph.eval(), path.stem)
        program = torch.onnx.export(
            traced, input_names=list(graph.inputs), output_names=list(graph.outputs),
            opset_version=OPSET, dynamo=True, optimize=False, verbose=False,
            custom_translation_table=translations())
        # the exporter's own optimiser also tries many patterns, which takes four times as long
        onnxscript.optimizer.fold_constants(program.model)
        onnxscript.optimizer.remove_unused_nodes(program.model)
    program.save(str(path), external_data=False)
    values = program.model.graph
    return dict(file=path.name, inputs=_described(values.inputs),
                outputs=_described(values.outputs))


def _trace(graph: FrameGraph | TemporalGraph, name: str) -> torch.export.ExportedProgram:
    try:
        return torch.export.export(graph, graph.example(), strict=False)
    except (RuntimeError, TypeError, AttributeError, NotImplementedError) as error:
        raise ValueError(
            f'torch cannot trace the {name} graph: {str(error).strip().splitlines()[0]}; a part of '
            'the detector depends on the numbers that it computes, or has an operator that is '
            'compiled outside of torch, as the deformable convolution of mmcv is') from error


def _described(values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    return {value.name: dict(shape=[int(side) for side in value.shape],
                             dtype=value.dtype.numpy().name) for value in values}
