_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
# The short side of FGFA and MEGA.
_base_.train_dataloader.dataset.pipeline[1].transforms[2].scale = (1000, 600)
_base_.val_dataloader.dataset.pipeline[0].transforms[1].scale = (1000, 600)
_base_.test_dataloader.dataset.pipeline[0].transforms[1].scale = (1000, 600)
