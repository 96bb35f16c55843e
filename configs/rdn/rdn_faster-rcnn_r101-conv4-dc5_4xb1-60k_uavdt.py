_base_ = './rdn-base_faster-rcnn_r101-conv4-dc5_4xb1-120k_uavdt.py'
# Stage 2, from the weights of stage 1.
load_from = 'work_dirs/rdn-base_faster-rcnn_r101-conv4-dc5_4xb1-120k_uavdt/iter_120000.pth'
model = dict(detector=dict(roi_head=dict(aggregator=dict(num_advanced_stages=1))))
train_cfg = dict(max_iters=60000, val_interval=20000)
param_scheduler = [_base_.warmup, dict(_base_.steps, end=60000, milestones=[40000])]
