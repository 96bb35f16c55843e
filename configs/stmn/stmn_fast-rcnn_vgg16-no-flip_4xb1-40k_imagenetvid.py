# STMN of Table 2: the ablations have no flips.
_base_ = './stmn_fast-rcnn_vgg16_4xb1-40k_imagenetvid.py'
_base_.train_dataloader.dataset.pipeline[1].transforms.pop()
