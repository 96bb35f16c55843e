# ImageNet VID + DET at STMN's scale with precomputed proposals for every frame that is used.
# docs/dataset_prepare.md describes the files and how to write them.
_base_ = './imagenet_vid_360.py'
load = dict(type='LoadFrameProposals', num_max_proposals=2000)
_base_.train_dataloader.dataset.pipeline[1].transforms.insert(1, load)
vid_train, det = _base_.train_dataloader.dataset.datasets
vid_train.proposal_file = 'proposals/imagenet_vid_train.npz'
det.proposal_file = 'proposals/imagenet_det_30plus1cls.npz'
_base_.val_dataloader.dataset.proposal_file = 'proposals/imagenet_vid_val.npz'
_base_.val_dataloader.dataset.pipeline[0].transforms.insert(1, load)
_base_.test_dataloader.dataset.proposal_file = 'proposals/imagenet_vid_val.npz'
_base_.test_dataloader.dataset.pipeline[0].transforms.insert(1, load)
del vid_train, det
