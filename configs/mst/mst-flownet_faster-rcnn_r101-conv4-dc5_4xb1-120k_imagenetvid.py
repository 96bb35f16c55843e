_base_ = './mst_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 4: FlowNetS in the place of DAlign, 83.1 mAP (DAlign: 83.3).
flownet = 'https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'
motion = dict(type='FlowNetSimple', input_mean=[0.411, 0.432, 0.450],
              init_cfg=dict(type='Pretrained', checkpoint=flownet))
model = dict(temporal_neck=dict(dalign=None, motion=motion))
