"""Single modules of MMTracking's SELSA and Temporal RoI Align."""

import pytest
import torch
from mmcv.ops import RoIAlign
from mmdet.registry import MODELS
from torch.nn import functional

from mmvod_plugins.checkpoints.mmtracking import convert_mmtracking
from mmvod_plugins.models import RoIEmbedding, SELSAAggregator, TemporalRoIAlign
from mmvod_plugins.models.layers import SemanticAttention
from mmvod_plugins.models.roi_heads.temporal_roi_align import most_similar
from mmvod_plugins.structures import ObjectFeatures

from . import golden

ATTENTION = {'fc_embed': 'query', 'ref_fc_embed': 'key', 'ref_fc': 'value', 'fc': 'out'}


def subcases(path):
    """The arrays of every case of a file, by its name."""
    found = {}
    for key, value in golden.load(path).items():
        case, name = key.split('.', 1)
        found.setdefault(case, {})[name] = torch.from_numpy(value) if value.ndim else value.item()
    return found


def assert_close(path, case, name, mine, theirs, limit=1e-5):
    worst = float((mine - theirs).abs().max())
    golden.note(f'{golden.case_name(path)} {case} {name}', f'{worst:.1e}, limit {limit:.0e}')
    assert mine.shape == theirs.shape
    assert worst <= limit


def objects(feats, frame_id=0):
    count = len(feats)
    return ObjectFeatures(torch.zeros(count, 4), feats, torch.zeros(count),
                          torch.full((count, ), frame_id))


@torch.no_grad()
@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_selsa_aggregator*.npz'))
def test_attention(path):
    for case, data in subcases(path).items():
        module = SemanticAttention(data['x'].shape[1], data['num_attention_blocks'])
        weights = {
            f'{ATTENTION[name.split(".")[0]]}.{name.split(".")[1]}': value
            for name, value in data.items() if '.' in name
        }
        module.load_state_dict(weights)
        assert_close(path, case, 'out', module(data['x'], data['ref_x']), data['out'])


@torch.no_grad()
@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_selsa_bbox_head*.npz'))
def test_box_head(path):
    """Embedding, aggregator and box layers, with weights translated as a published file's."""
    for case, data in subcases(path).items():
        published = {f'detector.roi_head.bbox_head.{name}': value
                     for name, value in data.items() if name.endswith(('.weight', '.bias'))}
        weights = {name.removeprefix('detector.roi_head.'): value
                   for name, value in convert_mmtracking(published).state_dict.items()}
        classes, channels = data['fc_cls.weight'].shape
        head = torch.nn.ModuleDict(dict(
            embedding=RoIEmbedding(*data['x'].shape[1:3], channels, activation=False),
            aggregator=SELSAAggregator(channels, data['num_attention_blocks'],
                                       num_stages=data['num_shared_fcs']),
            bbox_head=MODELS.build(dict(type='BBoxHead', roi_feat_size=1, in_channels=channels,
                                        num_classes=classes - 1))))
        head.load_state_dict(weights)
        key, reference = (objects(head.embedding(data[name])) for name in ('x', 'ref_x'))
        for split in (len(reference), 4):  # one frame, or several
            frames = [reference[i:i + split] for i in range(0, len(reference), split)]
            logits, deltas = head.bbox_head(head.aggregator(key, {'local': frames}, None).feats)
            assert_close(path, case, 'cls_logits', logits, data['cls_logits'])
            assert_close(path, case, 'box_deltas', deltas, data['box_deltas'])


@torch.no_grad()
@pytest.mark.parametrize('path', golden.cases('mmtracking/mod_temporal_roi_align*.npz'))
@pytest.mark.parametrize('portion', [2**25, 1], ids=['at once', 'one by one'])
def test_temporal_roi_align(path, portion):
    for case, data in subcases(path).items():
        pool = RoIAlign(data['output_size'], 1 / data['stride'], data['sampling_ratio'])
        plain = pool(data['feats'], data['rois'])
        assert_close(path, case, 'out_no_ref', plain, data['out_no_ref'])
        module = TemporalRoIAlign(
            plain.shape[1], data['num_most_similar_points'],
            data['num_temporal_attention_blocks'], portion=portion)
        module.load_state_dict({name.replace('embed_network.conv', 'embed'): value
                                for name, value in data.items() if name.startswith('embed')})
        cells = data['ref_feats'].flatten(2).transpose(1, 2)
        similar = most_similar(plain, cells, functional.normalize(cells, dim=2),
                               data['num_most_similar_points'])
        assert_close(path, case, 'most_similar', similar.permute(3, 0, 4, 1, 2),
                     data['most_similar'])
        assert_close(path, case, 'out', module(plain, data['ref_feats']), data['out'])
