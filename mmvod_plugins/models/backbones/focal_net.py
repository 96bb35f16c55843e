"""FocalNet (Yang et al., NeurIPS 2022) in the form of YOLOV++'s largest detector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn.bricks import DropPath
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.nn import functional


class FocalModulation(nn.Module):
    """Modulates every cell by gated contexts that grow with the level.

    Args:
        channels: C.
        num_levels: Contexts by depthwise convolutions, of 3, 5, 7, ... cells; the map's mean is one
            more.
    """

    def __init__(self, channels: int, num_levels: int) -> None:
        super().__init__()
        self.sizes = (channels, channels, num_levels + 1)
        self.f = nn.Linear(channels, sum(self.sizes))
        self.focal_layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3 + 2 * level, padding=1 + level,
                                    groups=channels, bias=False), nn.GELU())
            for level in range(num_levels))
        self.h = nn.Conv2d(channels, channels, 1)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) of (N, H, W, C)."""
        query, context, gates = self.f(x).permute(0, 3, 1, 2).split(self.sizes, dim=1)
        total = torch.zeros_like(query)
        for layer, gate in zip(self.focal_layers, gates.split(1, 1), strict=False):
            context = layer(context)
            total = total + context * gate
        mean = functional.gelu(context.mean((2, 3), keepdim=True))
        total = total + mean * gates[:, -1:]
        return self.proj((query * self.h(total)).permute(0, 2, 3, 1))


class FocalBlock(nn.Module):
    """Focal modulation and an MLP, each normalised and scaled before it is added."""

    def __init__(self, channels: int, num_levels: int, drop_path: float) -> None:
        super().__init__()
        self.modulation = FocalModulation(channels, num_levels)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mlp = nn.ModuleDict(dict(
            fc1=nn.Linear(channels, 4 * channels), fc2=nn.Linear(4 * channels, channels)))
        self.gamma_1 = nn.Parameter(torch.full((channels, ), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((channels, ), 1e-4))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) of (N, H, W, C)."""
        x = x + self.drop_path(self.gamma_1 * self.norm1(self.modulation(x)))
        inner = self.mlp['fc2'](functional.gelu(self.mlp['fc1'](x)))
        return x + self.drop_path(self.gamma_2 * self.norm2(inner))


class PatchEmbed(nn.Module):
    """A convolution that makes maps smaller by its stride, and a layer norm."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int,
                 padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, kernel, stride, padding)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, h, w, C) of (N, c, H, W), which is padded to a multiple of the stride."""
        (stride, _), (height, width) = self.proj.stride, x.shape[-2:]
        x = functional.pad(x, (0, -width % stride, 0, -height % stride))
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class FocalStage(nn.Module):
    """Blocks of one width, and the convolution to the next one."""

    def __init__(self, channels: int, drop_paths: Sequence[float], num_levels: int,
                 *, last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FocalBlock(channels, num_levels, p) for p in drop_paths)
        self.downsample = None if last else PatchEmbed(channels, 2 * channels, 3, 2, 1)


@MODELS.register_module()
class FocalNet(BaseModule):
    """FocalNet with overlapping embeddings, post-norm and layer scale.

    Args:
        embed_dims: Channels of the first stage; every later one has twice as many.
        depths: Blocks of every stage.
        num_levels: Levels of focal modulation.
        out_indices: Stages whose normalised maps are returned.
        drop_path_rate: Stochastic depth of the last block; it grows from 0.
        init_cfg: Initial weights.
    """

    def __init__(self,
                 embed_dims: int = 192,
                 depths: Sequence[int] = (2, 2, 18, 2),
                 num_levels: int = 4,
                 out_indices: Sequence[int] = (1, 2, 3),
                 drop_path_rate: float = 0.3,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.out_indices = tuple(out_indices)
        self.patch_embed = PatchEmbed(3, embed_dims, 7, 4, 2)
        rates = torch.linspace(0, drop_path_rate, sum(depths)).split(list(depths))
        self.layers = ModuleList(
            FocalStage(embed_dims * 2**i, part.tolist(), num_levels, last=i == len(depths) - 1)
            for i, part in enumerate(rates))
        for i in self.out_indices:
            self.add_module(f'norm{i}', nn.LayerNorm(embed_dims * 2**i))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps (N, C, H, W) of images (N, 3, H, W)."""
        x, outputs = self.patch_embed(x), []
        for i, stage in enumerate(self.layers):
            for block in stage.blocks:
                x = block(x)
            if i in self.out_indices:
                outputs.append(getattr(self, f'norm{i}')(x).permute(0, 3, 1, 2).contiguous())
            if stage.downsample is not None:
                x = stage.downsample(x.permute(0, 3, 1, 2))
        return tuple(outputs)
