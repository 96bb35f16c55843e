"""Temporal parts that ``torch.compile`` translates detect the same."""

import pytest
import torch

from mmvod_plugins.models.compiled_parts import compile_parts

from .test_forms import assert_all_boxes_agree, toy_model
from .tiny import detect, video

LEVEL, AGGREGATOR = 'temporal_neck.levels.0', 'detector.roi_head.aggregator'


@pytest.mark.skipif(not hasattr(torch.nn.Module, 'compile'), reason='torch before 2.2')
@pytest.mark.parametrize(('name', 'parts'), [
    ('stmn_rfcn_r18', [f'{LEVEL}.forward_cell', f'{LEVEL}.backward_cell']),
    ('mega_faster-rcnn_r18-fpn', [f'{AGGREGATOR}.local_relations.0',
                                  f'{AGGREGATOR}.global_relations.0']),
])
def test_they_detect_the_same(name, parts):
    """At the ends of the video windows are shorter; a backend that counts needs no compiler."""
    model, frames, graphs = toy_model(name), video(7, shape=(64, 96)), []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    expected = detect(model, frames)
    compile_parts(model, parts, backend=count)
    found = detect(model, frames)
    assert len(graphs) >= len(parts)
    assert_all_boxes_agree(found, expected)
