_base_ = ['../_base_/models/yolox-s.py', '../_base_/necks/fgfa_fpn.py',
          '../_base_/datasets/imagenet_vid_fgfa_style.py',
          '../_base_/schedules/mega_120k.py', '../_base_/default_runtime.py']
# Narrower maps; the flow network sees BGR in 0..255.
norm = dict(mean=[0.0] * 3, std=[1.0] * 3, input_mean=[0.450, 0.432, 0.411])
_base_.temporal_neck.update(channels=128, embed_layers=[(128, 3)])
_base_.temporal_neck.motion.img_norm = norm
_base_.model.update(references=_base_.references, temporal_neck=_base_.temporal_neck)
_base_.train_dataloader.dataset.pipeline[0].references = _base_.references
_base_.val_dataloader.sampler.references = _base_.references
_base_.test_dataloader.sampler.references = _base_.references
# Starts from the detector of mmdet's model zoo, but for the layers that know its classes.
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth'
