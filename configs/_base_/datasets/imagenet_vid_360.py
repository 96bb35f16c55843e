# ImageNet VID + DET at STMN's scale: a short side of 360, a long one of 600 at most.
_base_ = './imagenet_vid_fgfa_style.py'
scale = (600, 360)
_base_.train_dataloader.dataset.pipeline[1].transforms[2].scale = scale
_base_.val_dataloader.dataset.pipeline[0].transforms[1].scale = scale
_base_.test_dataloader.dataset.pipeline[0].transforms[1].scale = scale
