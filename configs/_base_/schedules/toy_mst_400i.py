# As toy_400i.py, slower for the alignment: its offsets change all maps.
_base_ = './toy_400i.py'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(dalign=dict(lr_mult=0.1))))
