"""As default_runtime.py; weights are averaged, as YOLOX, YOLOV and YOLOV++ are published."""

_base_ = './default_runtime.py'

custom_hooks = [
    dict(type='CheckClassesHook'),
    dict(type='CloseStreamsHook'),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True),
]
