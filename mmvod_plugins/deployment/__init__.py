"""Export to ONNX, and the runtime of exported models, which needs neither torch nor this package.

:mod:`~mmvod_plugins.deployment.onnx_runtime` is a file that can be copied; an export contains it.
"""
