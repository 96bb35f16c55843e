"""Stability of detections over time (Zhang and Wang, 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmvod_plugins.utils.arrays import run_starts

from .detections import Detections, check_detections
from .evaluate import match_detections
from .ground_truth import GroundTruth
from .protocols import VOC, Protocol
from .results import mean_of_defined
from .scene import Scene


@dataclass(frozen=True)
class Stability:
    """Errors of P ground-truth tracks; smaller is steadier, NaN where not defined.

    Attributes:
        labels: (P,), class of the track, that of its first box.
        fragment: (P,), share of its steps at which it changes between found and missed.
        centre: (P,), spread of the centre, relative to the size of the object.
        scale_ratio: (P,), spread of scale and of aspect ratio, relative to those of the object.
    """

    labels: np.ndarray
    fragment: np.ndarray
    centre: np.ndarray
    scale_ratio: np.ndarray

    @property
    def fragment_error(self) -> float:
        """E_F: mean over the tracks of two frames or more."""
        return mean_of_defined(self.fragment)

    @property
    def centre_error(self) -> float:
        """E_C: mean over the tracks found in two frames or more."""
        return mean_of_defined(self.centre)

    @property
    def scale_ratio_error(self) -> float:
        """E_R: mean over the tracks found in two frames or more."""
        return mean_of_defined(self.scale_ratio)

    def of_class(self, label: int) -> Stability:
        """The tracks of one class."""
        rows = self.labels == label
        return Stability(self.labels[rows], self.fragment[rows], self.centre[rows],
                         self.scale_ratio[rows])


def temporal_stability(detections: Detections, truth: GroundTruth, score_threshold: float = 0.5,
                       protocol: Protocol = VOC) -> Stability:
    """Compute the stability of the detections matched to each ground-truth track.

    For a track k of t_k frames, found in some of them by boxes p with true boxes g, w and h being
    width and height:

    * fragment error: ``f_k / (t_k - 1)`` with f_k the number of changes between found and missed
      from one frame of the track to its next one;
    * centre error: ``std((x_p - x_g) / w_g) + std((y_p - y_g) / h_g)`` of the box centres;
    * scale and ratio error: ``std(sqrt(w_p h_p / (w_g h_g))) + std((w_p / h_p) / (w_g / h_g))``.

    Deviations are those of a population (divided by n). The paper does not define tracks found less
    than twice, which we exclude from E_C and E_R, nor tracks of one frame, which we exclude from
    E_F. Crowds are not tracks.

    Args:
        detections: Detections.
        truth: Ground truth with instance ids.
        score_threshold: Detections with at least this score are used.
        protocol: Rules of matching.

    Raises:
        ValueError: If the annotation has no instance ids, or detections cannot be evaluated.
    """
    # Before the threshold, which would silently drop NaN.
    check_detections(detections, truth)
    # Objects by track, then by time.
    order = np.lexsort((truth.frame_ids[truth.frame_index], truth.tracks))
    order = order[~truth.crowd[order]]
    scene = Scene(detections.select(detections.scores >= score_threshold), truth)
    matches = match_detections(scene, protocol)
    det = np.full(len(truth.boxes), -1)
    det[matches.gt] = matches.det
    det = det[order]
    starts = run_starts(truth.tracks[order])
    track = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    found = det >= 0
    errors = _relative_errors(scene.detections.boxes[det[found]].astype(np.float64),
                              truth.boxes[order[found]])
    spread = np.array([_deviation(error, track[found], len(starts)) for error in errors])
    return Stability(truth.labels[order[starts]], _fragments(found, track, len(starts)),
                     spread[0] + spread[1], spread[2] + spread[3])


def _fragments(found: np.ndarray, track: np.ndarray, num_tracks: int) -> np.ndarray:
    """Changes per step of every track, (P,); NaN without a step."""
    step = track[1:] == track[:-1]
    changes = np.bincount(track[1:][step & (found[1:] != found[:-1])], minlength=num_tracks)
    steps = np.bincount(track[1:][step], minlength=num_tracks)
    return np.divide(changes, steps, out=np.full(num_tracks, np.nan), where=steps > 0)


def _relative_errors(boxes: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Offsets of the centre (x, y), relative scale, relative aspect ratio; (n,) each."""
    (w, h), (true_w, true_h) = ((b[:, 2:] - b[:, :2]).T for b in (boxes, truth))
    offset = (boxes[:, :2] + boxes[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2
    return [offset[:, 0] / true_w, offset[:, 1] / true_h,
            np.sqrt(w * h / (true_w * true_h)), w / h * (true_h / true_w)]


def _deviation(values: np.ndarray, track: np.ndarray, num_tracks: int) -> np.ndarray:
    """Standard deviation within each track, (P,); NaN for fewer than two values."""
    count = np.bincount(track, minlength=num_tracks)
    mean = np.bincount(track, values, num_tracks) / np.maximum(count, 1)
    square = np.bincount(track, (values - mean[track])**2, num_tracks) / np.maximum(count, 1)
    return np.where(count >= 2, np.sqrt(square), np.nan)
