"""Translation of the checkpoints of YOLOX on ImageNet VID, YOLOV and YOLOV++.

Every array keeps its shape but two: the last output of YOLOV's class layer, which its program
never uses, is left out, and the downsampling layers of a Swin Transformer have another order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .conversion import Conversion, rename_weights

_HEAD = 'detector.bbox_head.'
#: Inside of a CSP layer.
_CSP = {'conv1': 'main_conv', 'conv2': 'short_conv', 'conv3': 'final_conv', 'm': 'blocks'}
_NECK = {'lateral_conv0': 'reduce_layers.0', 'reduce_conv1': 'reduce_layers.1',
         'C3_p4': 'top_down_blocks.0', 'C3_p3': 'top_down_blocks.1', 'bu_conv2': 'downsamples.0',
         'bu_conv1': 'downsamples.1', 'C3_n3': 'bottom_up_blocks.0', 'C3_n4': 'bottom_up_blocks.1'}
_BASE = {'cls_convs': 'multi_level_cls_convs', 'reg_convs': 'multi_level_reg_convs',
         'cls_preds': 'multi_level_conv_cls', 'reg_preds': 'multi_level_conv_reg',
         'obj_preds': 'multi_level_conv_obj'}
_SWIN = (('patch_embed.proj.', 'patch_embed.projection.'), ('layers.', 'stages.'),
         ('.attn.', '.attn.w_msa.'), ('.mlp.fc1.', '.ffn.layers.0.0.'),
         ('.mlp.fc2.', '.ffn.layers.1.'))
#: Modules that aggregate, ours, and the branch of their outputs.
_MODULES = {'trans': ('attention', 'cls'), 'agg': ('attention', 'cls'),
            'agg_iou': ('obj_attention', 'obj')}
NO_EFFECT = 'has no effect: the module gives the other branch'
DROPPED = ((r'head\.agg\.linear[12]_obj\..*', NO_EFFECT),
           (r'head\.agg_iou\.linear[12]\..*', NO_EFFECT),
           (r'.*\.relative_position_index', 'computed from the size of the window'))


def is_yolov(state_dict: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict has the names of the YOLOX family's own program."""
    return 'head.stems.0.conv.weight' in state_dict


def convert_yolov(state_dict: Mapping[str, Tensor]) -> Conversion:
    """Translate a state dict of YOLOX, YOLOV or YOLOV++, with any of its backbones.

    Raises:
        ValueError: If it has blocks that no published model has, or a key that is not known.
    """
    if any(re.match(r'head\.\w+\.transBlocks\.', key) for key in state_dict):
        raise ValueError('the checkpoint of YOLOV++ has local blocks, of an ablation that its own '
                         'program cannot run: it cannot be loaded')
    method = 'YOLOX'
    for name, signature in (('YOLOV', 'head.trans.'), ('YOLOV++', 'head.agg.')):
        if any(key.startswith(signature) for key in state_dict):
            method = name
    focal = any('.modulation.' in key for key in state_dict)  # FocalNet has our names
    conversion = rename_weights(state_dict, 'YOLOX and YOLOV', method,
                                lambda key: _translate(key, () if focal else _SWIN), DROPPED)
    weights = conversion.state_dict
    for key in [key for key in weights if key.startswith(f'{_HEAD}fc_cls.') and method == 'YOLOV']:
        weights[key] = weights[key][:-1]
    for key in [key for key in weights if '.downsample.reduction.' in key]:
        norm = key.replace('reduction.weight', 'norm.')  # of a Swin Transformer
        for name in (key, f'{norm}weight', f'{norm}bias'):
            weights[name] = _unfold_order(weights[name])
    return conversion


def _translate(key: str, names: tuple[tuple[str, str], ...]) -> str | None:
    """Our name for one of their keys; None for an unknown one."""
    part, _, rest = key.partition('.')
    if part == 'backbone':
        return _backbone(rest.removeprefix('backbone.'), names) \
            if rest.startswith('backbone.') else _neck(rest)
    if part != 'head':
        return None
    module, _, rest = rest.partition('.')
    if module == 'stems':
        return f'detector.neck.out_convs.{rest}'
    if module in _BASE:
        return f'{_HEAD}{_BASE[module]}.{rest}'
    if module == 'cls_convs2':
        return f'{_HEAD}video_convs.{rest}'
    if module in ('linear_pred', 'cls_pred'):
        return f'{_HEAD}fc_cls.{rest}'
    if module == 'obj_pred':
        return f'{_HEAD}fc_obj.{rest}'
    if module in _MODULES:
        ours, branch = _MODULES[module]
        layer = re.sub(r'^(linear[12])(_obj)?\.', rf'\1.{branch}.', rest.removeprefix('msa.'))
        return f'{_HEAD}aggregator.{ours}.{layer}'
    return None


def _backbone(name: str, names: tuple[tuple[str, str], ...]) -> str | None:
    if name.startswith(('patch_embed.', 'layers.', 'norm')):
        for old, new in names:
            name = name.replace(old, new, 1)
        return f'detector.backbone.{name}'
    if name.startswith('stem.'):
        return f'detector.backbone.{name}'
    if (match := re.fullmatch(r'dark(\d)\.(\d)\.(.*)', name)) is None:
        return None
    stage, index, rest = int(match[1]) - 1, int(match[2]), match[3]
    return f'detector.backbone.stage{stage}.{index}.{_csp(rest, index, stage)}'


def _neck(name: str) -> str | None:
    module, _, rest = name.partition('.')
    if module not in _NECK:
        return None
    return f'detector.neck.{_NECK[module]}.{_csp(rest) if module.startswith("C3") else rest}'


def _csp(name: str, index: int = 1, stage: int = 1) -> str:
    """Name inside of a CSP layer; other layers of a stage keep theirs."""
    is_csp = index == (2 if stage == 4 else 1)
    first, _, rest = name.partition('.')
    return f'{_CSP[first]}.{rest}' if is_csp and first in _CSP else name


def _unfold_order(value: Tensor) -> Tensor:
    """Input channels of four sub-grids (0, 0), (1, 0), (0, 1), (1, 1), in mmdet's order."""
    parts = value.reshape(*value.shape[:-1], 4, value.shape[-1] // 4)
    index = value.new_tensor([0, 2, 1, 3]).long()
    return parts.index_select(-2, index).transpose(-1, -2).reshape(value.shape)
