_base_ = './mega_faster-rcnn_r18-fpn_400i_toyvid.py'
# Three quarters of the benchmark's schedule, for tools/demo/toy_demo.py.
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
