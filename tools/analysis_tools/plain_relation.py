"""Relation module as the papers write it, the reference of the fast one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmvod_plugins.models.layers import RelationModule


def embed_pairs(boxes: Tensor, references: Tensor) -> Tensor:
    """Sines and cosines (N, M, 64) of how reference boxes (M, 4) lie relative to boxes (N, 4)."""
    left, top, right, bottom = (side[:, None] for side in boxes.unbind(1))
    ref_left, ref_top, ref_right, ref_bottom = (side[None] for side in references.unbind(1))
    width, height = right - left + 1, bottom - top + 1
    ref_width, ref_height = ref_right - ref_left + 1, ref_bottom - ref_top + 1
    dx = 0.5 * (left + right) - 0.5 * (ref_left + ref_right)
    dy = 0.5 * (top + bottom) - 0.5 * (ref_top + ref_bottom)
    terms = torch.stack([
        torch.log(dx.abs() / width + 1e-3), torch.log(dy.abs() / height + 1e-3),
        torch.log(width / ref_width), torch.log(height / ref_height)], dim=2)
    waves = 1000**(torch.arange(8, dtype=boxes.dtype, device=boxes.device) / 8)
    angles = 100 * terms[..., None] / waves
    return torch.cat([angles.sin(), angles.cos()], dim=3).flatten(2)


def plain_relation(module: RelationModule, feats: Tensor, references: Tensor,
                   boxes: Tensor | None = None, reference_boxes: Tensor | None = None) -> Tensor:
    """Equation 1 of RDN and MEGA with the weights of a module; see its ``forward``.

    Every head averages the full reference features (M, C); a grouped projection follows.
    """
    if not len(feats) or not len(references):
        return torch.zeros_like(feats)
    count, width = module.num_heads, feats.shape[1] // module.num_heads
    query = module.query(feats).view(-1, count, width).permute(1, 0, 2)
    key = module.key(references).view(-1, count, width).permute(1, 2, 0)
    logits = query @ key
    if module.key_bias is not None:
        logits = logits + module.key_bias.view(count, 1, width) @ key
    logits = logits / width**0.5
    if module.location is not None:
        location = module.location(embed_pairs(boxes, reference_boxes)).permute(2, 0, 1)
        logits = logits + torch.log(functional.relu(location) + 1e-6)
    averages = logits.softmax(dim=2) @ references
    projections = module.value.weight.view(count, width, -1)
    projected = torch.einsum('hnc,hdc->nhd', averages, projections).flatten(1)
    return projected + module.value.bias
