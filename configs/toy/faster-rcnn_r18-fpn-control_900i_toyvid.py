_base_ = './faster-rcnn_r18-fpn-control_1200i_toyvid.py'
# Three quarters of the benchmark's schedule, for tools/demo/toy_demo.py: as many frames as MEGA
# sees there (300 iterations of 4 clips of 6 frames), each with a loss.
max_iters = 900
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
