_base_ = './selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid.py'
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale=512.0)
