# SGD with 1e-3, and 1e-4 from iteration 80,000 on: STMN's rates at MEGA's milestone (its paper
# says "when training loss plateaus"), with R-FCN's weight decay; 4 GPUs, a clip on each.
_base_ = './mega_120k.py'
optim_wrapper = dict(optimizer=dict(weight_decay=0.0005))
