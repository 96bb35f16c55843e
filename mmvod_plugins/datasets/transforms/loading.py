"""Loading of frames, with a choice of reactions to unreadable files."""

from __future__ import annotations

import os
import warnings
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine import fileio

from mmvod_plugins.video_files import read_frame, split_frame_name

READ_ERRORS = (OSError, ValueError, TypeError, RuntimeError, cv2.error)
GREY = 114


@TRANSFORMS.register_module()
class LoadVideoFrame(LoadImageFromFile):
    """Load a frame; an unreadable file raises, skips the sample or gives a grey frame.

    ``clip.mp4#17`` is frame 17, counted from 0, of a local video file. Frames that are loaded in
    another order than that of the video are decoded once (:class:`FrameReader`).

    A decoded size other than the annotated one means that boxes do not fit: the frame is skipped
    with ``'skip'`` and raises otherwise. ``unreadable`` in the metainfo marks grey frames.

    Args:
        unreadable: ``'raise'``: an error. ``'skip'``, for training within :class:`ClipTransform`:
            a warning, and mmengine draws another sample. ``'blank'``, for testing: a warning, and
            a grey frame of the annotated size, so that a long run survives.
        to_float32: As in mmcv.
        color_type: As in mmcv.
        imdecode_backend: As in mmcv.
        backend_args: Storage backend of the files, see ``mmengine.fileio``.
    """

    def __init__(self,
                 unreadable: str = 'raise',
                 *,
                 to_float32: bool = False,
                 color_type: str = 'color',
                 imdecode_backend: str = 'cv2',
                 backend_args: dict[str, Any] | None = None) -> None:
        if unreadable not in ('raise', 'skip', 'blank'):
            raise ValueError(
                f"unreadable must be 'raise', 'skip' or 'blank', got {unreadable!r}")
        super().__init__(to_float32=to_float32, color_type=color_type,
                         imdecode_backend=imdecode_backend, backend_args=backend_args)
        self.unreadable = unreadable

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Add ``img`` (H, W, 3), its shapes and ``unreadable``.

        Raises:
            OSError: If the file cannot be read (``unreadable='raise'``, or ``'blank'`` without an
                annotated size).
            ValueError: If its size differs from the annotated one.
        """
        path = results['img_path']
        annotated = results.get('height'), results.get('width')
        img, problem = self._read(path)
        if problem and self.unreadable == 'blank' and None not in annotated:
            warnings.warn(f'{problem}; a grey frame is used instead', stacklevel=2)
            img = np.full((*annotated, 3), GREY, dtype=np.uint8)
        elif problem and self.unreadable != 'skip':
            raise OSError(
                f'{problem}. Expected an image of {annotated} (height, width): restore the file, '
                'correct data_root and data_prefix, or choose unreadable="skip" (training) or '
                '"blank" (testing) in LoadVideoFrame')
        if img is not None and None not in annotated and img.shape[:2] != annotated:
            turned = img.shape[1::-1] == annotated
            problem = (f'{path} is {img.shape[:2]} (height, width) but annotated as {annotated}: '
                       'its boxes do not fit. Correct the annotation file'
                       f'{", or store the image without EXIF orientation" if turned else ""}')
            if self.unreadable != 'skip':
                raise ValueError(problem)
        if problem and self.unreadable == 'skip':
            warnings.warn(f'{problem}; another sample is drawn', stacklevel=2)
            return None
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        results['unreadable'] = problem is not None
        return results

    def _read(self, path: str) -> tuple[np.ndarray | None, str | None]:
        """Read and decode an image: the image, or None and a description of the problem."""
        if (place := split_frame_name(path)) is not None and not os.path.exists(path):
            return self._read_of_video(path, *place)
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except READ_ERRORS as error:
            return None, f'{path} cannot be read ({type(error).__name__}: {error})'
        if not content:
            reason = 'the storage does not have it' if content is None else 'the file is empty'
            return None, f'{path} cannot be decoded: {reason}'
        try:
            img = mmcv.imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        except READ_ERRORS as error:
            return None, f'{path} cannot be decoded ({type(error).__name__}: {error})'
        if img is None:
            return None, f'{path} cannot be decoded: it is not an image or is corrupt'
        return img, None

    def _read_of_video(self, path: str, file: str,
                       number: int) -> tuple[np.ndarray | None, str | None]:
        """A frame of a video file, as :meth:`_read`."""
        try:
            img = read_frame(file, number)
        except (*READ_ERRORS, LookupError) as error:
            return None, f'{path} cannot be read ({type(error).__name__}: {error})'
        return (img if self.color_type == 'color' else
                mmcv.bgr2gray(img, keepdim=True)), None

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, unreadable={self.unreadable!r})'
