# ImageNet VID + DET at STMN's scale with precomputed proposals for every frame that is used.
# docs/dataset_prepare.md describes the files and how to write them.
_base_ = './imagenet_vid_360.py'
load = dict(type='LoadFrameProposals', num_max_proposals=2000)
_base_.train_dataloader.dataset.pipeline[1].transforms.insert(1, load)
for part, name in zip(_base_.train_dataloader.dataset.datasets, ('vid_train', 'det_30plus1cls')):
    part.proposal_file = f'proposals/imagenet_{name}.npz'
for loader in (_base_.val_dataloader, _base_.test_dataloader):
    loader.dataset.proposal_file = 'proposals/imagenet_vid_val.npz'
    loader.dataset.pipeline[0].transforms.insert(1, load)
del part, name, loader
