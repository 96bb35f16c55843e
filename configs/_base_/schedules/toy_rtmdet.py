# As toy_yolox.py for RTMDet, with AdamW. The levels of its head share convolutions.
_base_ = './toy_yolox.py'
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=0.002, weight_decay=0.05),
    paramwise_cfg=dict(bypass_duplicate=True))
