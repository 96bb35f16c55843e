_base_ = './rfcn_r18_1400i_toyvid.py'
# The static R-FCN trained on, all of it, from its checkpoint: the control of OGEMN and STMN.
max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
