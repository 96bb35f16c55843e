_base_ = ['./mega_faster-rcnn_r18-fpn_400i_toyvid.py', '../_base_/necks/toy_mst.py']
# MEGA with MST's frame level and its alignment.
model = dict(temporal_neck=_base_.temporal_parts.temporal_neck,
             frozen=dict(_delete_=True, **_base_.temporal_parts.frozen))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(dalign=dict(lr_mult=0.1))))
