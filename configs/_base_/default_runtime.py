"""Training by iterations: what mmdet's own default_runtime.py does by epochs."""

default_scope = 'mmdet'
custom_imports = dict(imports=['mmvod_plugins'], allow_failed_imports=False)
# Fills model.references into the data loaders.
runner_type = 'VideoRunner'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='VideoVisualizationHook'))
custom_hooks = [dict(type='CheckClassesHook'), dict(type='CloseStreamsHook')]

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
    keep_freed_memory=True)  # VideoRunner's, on a CPU
randomness = dict(seed=0)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)

log_level = 'INFO'
load_from = None
resume = False
