# Several processes on a machine without a GPU. Add it to the bases of a config of your own:
#
#     _base_ = ['some_config.py', '../_base_/cpu_distributed.py']
#
# and start that with `tools/dist_train.sh CONFIG 2` or mmdet's own script. It takes effect while
# the file is read, so `--cfg-options` cannot switch it on. It has no key in common with other
# bases, except where a config sets `model_wrapper_cfg` itself. A single process runs it unchanged.

# Starts gloo when a launcher set RANK. With an import statement mmengine would take this file for
# a lazy config.
__import__('mmvod_plugins.engine.cpu_dist')

model_wrapper_cfg = dict(
    type='MMDistributedDataParallel',
    device_ids=None,
    broadcast_buffers=False,
    find_unused_parameters=False)
