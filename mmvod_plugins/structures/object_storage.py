"""How objects are kept while their frame waits."""

from __future__ import annotations

import torch
from torch import Tensor

from .object_features import ObjectFeatures


class ObjectStorage:
    """Moves objects to where they are kept, and back to where they are used.

    Args:
        device: Device of kept objects; None for the one they were computed on.
        dtype: Name of the type of kept embeddings; None for the one they were computed in. Boxes
            and scores stay exact.

    Raises:
        ValueError: If the type is no floating point type of torch.
    """

    def __init__(self, device: str | None = None, dtype: str | None = None) -> None:
        self.device = device
        self.dtype = getattr(torch, dtype, None) if dtype else None
        if dtype and not (isinstance(self.dtype, torch.dtype) and self.dtype.is_floating_point):
            raise ValueError("dtype must name a floating point type such as 'float16', "
                             f'got {dtype!r}')

    def store(self, objects: ObjectFeatures) -> ObjectFeatures:
        """Objects as they are kept."""
        if self.device is not None:
            objects = objects.to(self.device)
        return objects if self.dtype is None else objects.to(self.dtype)

    def load(self, objects: ObjectFeatures, like: Tensor) -> ObjectFeatures:
        """Objects on the device and in the type of a tensor; as they are if nothing was changed."""
        if self.device is not None:
            objects = objects.to(like.device)
        return objects if self.dtype is None else objects.to(like.dtype)
