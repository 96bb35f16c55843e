"""Drawing of labelled boxes on frames, and of contact sheets."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch

from .text import Colour, draw_text, drawable, text_size

ArrayLike = np.ndarray | torch.Tensor | Sequence
WHITE: Colour = (255, 255, 255)


def class_colour(label: int) -> Colour:
    """Bright colour (BGR) of a class; neighbouring labels differ clearly."""
    # Steps of the golden ratio spread the hues evenly for any number of classes.
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.75, 0.95)
    return int(255 * blue), int(255 * green), int(255 * red)


def draw_detections(image: np.ndarray,
                    boxes: ArrayLike,
                    labels: ArrayLike,
                    scores: ArrayLike | None = None,
                    class_names: Sequence[str] | None = None,
                    *,
                    colour: Colour | None = None,
                    palette: Sequence[Colour] | None = None,
                    track_ids: ArrayLike | None = None) -> np.ndarray:
    """Draw boxes with class names and scores on a copy of a frame.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) as (x1, y1, x2, y2) in pixels of ``image``.
        labels: (N,) class indices.
        scores: (N,) in [0, 1]; None for names only.
        class_names: Name of each class index; None to write the index, as for a name that no
            font has.
        colour: One colour (BGR) for all; None for a colour per class.
        palette: The colours (BGR) of the classes; None for :func:`class_colour`.
        track_ids: (N,) numbers of tracks, written after the name; -1 for none.

    Returns:
        The new frame, (H, W, 3) uint8.

    Raises:
        ValueError: If the image is not (H, W, 3), or the counts differ.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'image must be (H, W, 3), got {image.shape}')
    boxes, labels = to_numpy(boxes).reshape(-1, 4), to_numpy(labels).astype(int)
    scores = None if scores is None else to_numpy(scores)
    if len(labels) != len(boxes) or (scores is not None and len(scores) != len(boxes)):
        raise ValueError(f'{len(boxes)} boxes, {len(labels)} labels and '
                         f'{"no" if scores is None else len(scores)} scores: expected equally '
                         'many')
    canvas = np.ascontiguousarray(image, dtype=np.uint8).copy()
    order = range(len(boxes)) if scores is None else np.argsort(scores, kind='stable')
    for i in order:
        label = int(labels[i])
        named = class_names is not None and 0 <= label < len(class_names)
        text = drawable(str(class_names[label]), str(label)) if named else str(label)
        if track_ids is not None and track_ids[i] >= 0:
            text = f'{text} #{int(track_ids[i])}'
        text = text if scores is None else f'{text} {scores[i]:.2f}'
        if np.isfinite(boxes[i]).all():
            chosen = palette[label] if palette else class_colour(label)
            draw_box(canvas, boxes[i], text, colour or chosen)
    return canvas


def draw_box(canvas: np.ndarray, box: np.ndarray, text: str, colour: Colour) -> None:
    """Draw one box (x1, y1, x2, y2) and its text into ``canvas``."""
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = np.clip(np.rint(box), -1, [width, height, width, height]).astype(int).tolist()
    thickness = max(1, round(min(height, width) / 300))
    scale = max(0.3, min(height, width) / 1000)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness)
    text_w, text_h, base = text_size(text, scale)
    left = max(0, min(x1, width - text_w))
    bottom = max(y1, text_h + base)
    cv2.rectangle(canvas, (left, bottom - text_h - base), (left + text_w, bottom), colour, -1)
    bright = sum(colour) > 380
    draw_text(canvas, text, (left, bottom - base // 2), scale, (0, 0, 0) if bright else WHITE)


def contact_sheet(images: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Arrange images in rows; smaller ones are centred in their cell.

    Args:
        images: (H, W, 3) uint8 each.
        columns: Images per row.
        gap: White pixels between images.

    Returns:
        The sheet, (H, W, 3) uint8.

    Raises:
        ValueError: If there is no image or ``columns`` is less than 1.
    """
    if not images or columns < 1:
        raise ValueError(f'a contact sheet needs images and columns, got {len(images)} images, '
                         f'{columns} columns')
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top = i // columns * (height + gap) + (height - image.shape[0]) // 2
        left = i % columns * (width + gap) + (width - image.shape[1]) // 2
        sheet[top:top + image.shape[0], left:left + image.shape[1]] = image
    return sheet


def title_cell(text: str, height: int, width: int = 130) -> np.ndarray:
    """White cell with a line of text, (height, width, 3) uint8."""
    cell = np.full((height, width, 3), 255, np.uint8)
    draw_text(cell, text, (4, height // 2), 0.5, (0, 0, 0))
    return cell


def titled_rows(rows: Mapping[str, Sequence[np.ndarray]]) -> np.ndarray:
    """One row of images under the other, each with its title to the left.

    Args:
        rows: By title, at least one; images (H, W, 3) uint8.

    Returns:
        The sheet, (H, W, 3) uint8.
    """
    return contact_sheet(
        [np.hstack([title_cell(title, row[0].shape[0]), contact_sheet(row, len(row))])
         for title, row in rows.items()], 1)


def to_numpy(values: ArrayLike) -> np.ndarray:
    """Convert tensors (on any device) and sequences to arrays."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)
