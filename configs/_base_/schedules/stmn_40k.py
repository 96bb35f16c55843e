# Fine-tuning of STMN from a static detector: SGD with 1e-3, and 1e-4 from iteration 30,000 on
# (the paper: "when training loss plateaus"). 4 GPUs, each with a clip of 7 frames that all count.
_base_ = './mega_120k.py'
train_cfg = dict(max_iters=40000)
param_scheduler = [_base_.warmup, dict(_base_.steps, end=40000, milestones=[30000])]
optim_wrapper = dict(optimizer=dict(weight_decay=0.0005))
