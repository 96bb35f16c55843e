# As toy_350i.py, longer, and faster for the embeddings of the memories, which start from nothing;
# attention, a cosine, does not depend on their length.
_base_ = './toy_350i.py'
max_iters = 500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
embeddings = dict(lr_mult=10.0)
optim_wrapper = dict(
    optimizer=dict(lr=0.03),
    paramwise_cfg=dict(
        custom_keys={
            '.query': embeddings,
            '.key': embeddings,
            '.temperature': embeddings
        }))
param_scheduler = [_base_.warmup, dict(_base_.cosine, end=max_iters)]
