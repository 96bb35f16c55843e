"""The configs of UAVDT on a miniature tree: converted, trained and tested by the runner."""

import sys
from pathlib import Path

import pytest
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmvod_plugins.datasets import UAVDTDataset

from ..datasets.tiny_uavdt import make_tiny_uavdt
from ..models.tiny import shrink

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {path.stem: path for path in (ROOT / 'configs').rglob('*_uavdt*.py')}
sys.path.insert(0, str(ROOT / 'tools' / 'dataset_converters'))


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    from uavdt2coco_vid import main

    root = make_tiny_uavdt(tmp_path_factory.mktemp('uavdt') / 'tree')
    for classes in ('categories', 'vehicle'):
        assert main([str(root), '--partial', '--classes', classes]) == 0
    return root


def test_the_methods_of_the_paper_are_there():
    assert {name.split('_')[0] for name in CONFIGS} >= {
        'faster-rcnn', 'fgfa', 'rdn-base', 'rdn', 'mega', 'mst'}


def on_tree(name, tree, work_dir):
    """A config for two iterations and a validation on the miniature tree."""
    config = Config.fromfile(CONFIGS[name])
    shrink(config.model, num_classes=config.model.detector.roi_head.bbox_head.num_classes)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.type == 'UAVDTDataset'
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(tree), filter_cfg=dict(min_size=1))
        for transform in loader.dataset.pipeline:
            for inner in transform.get('transforms', []):
                if inner['type'] == 'Resize':
                    inner['scale'] = (96, 64)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = evaluator.ann_file.replace('data/UAVDT', str(tree))
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.default_hooks.checkpoint.interval = 2
    config.update(work_dir=str(work_dir), experiment_name=work_dir.name, log_level='ERROR',
                  load_from=None)
    return config


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[] if name.split('_')[0] in ('mst', 'rdn') or 'vehicle' in name
                 else [pytest.mark.slow]) for name in sorted(CONFIGS)])
def test_a_config_trains_and_tests(name, tree, tmp_path, monkeypatch):
    regions, assign = [], MaxIoUAssigner.assign

    def watched(self, pred_instances, gt_instances, gt_instances_ignore=None, **kwargs):
        regions.append((self.ignore_iof_thr, len(gt_instances_ignore)))
        return assign(self, pred_instances, gt_instances, gt_instances_ignore, **kwargs)

    monkeypatch.setattr(MaxIoUAssigner, 'assign', watched)
    runner = RUNNERS.build(on_tree(name, tree, tmp_path))
    runner.train()
    numbers = runner.test()
    assert {'vid/uavdt_AP70', 'vid/voc_AP50', 'vid/coco_AP50', 'vid/coco_AP75',
            'vid/uavdt_AP70_fast'} <= set(numbers)
    # RPN and RoI head know the region, once per class, and look at it.
    classes = 1 if 'vehicle' in name else 3
    assert len(regions) >= 4
    assert set(regions) == {(0.5, classes)}


def test_regions_and_attributes_reach_the_data_set(tree):
    dataset = UAVDTDataset(ann_file=str(tree / 'annotations/uavdt_test.json'), test_mode=True)
    assert dataset.metainfo['classes'] == ('car', 'truck', 'bus')
    instances = dataset.get_data_info(0)['images'][0]['instances']
    assert [i['ignore_flag'] for i in instances] == [0, 0, 0, 1, 1, 1]
    assert [i['bbox_label'] for i in instances] == [0, 1, 2, 0, 1, 2]
