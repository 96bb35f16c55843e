# As toy_yolox.py for RTMDet: a higher learning rate, since AdamW and lower ones learn the shapes of the
# objects and hardly their textures. The levels of its head share convolutions.
_base_ = './toy_yolox.py'
optim_wrapper = dict(optimizer=dict(lr=0.05), paramwise_cfg=dict(bypass_duplicate=True))
