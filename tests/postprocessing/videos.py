"""Videos for the tests of post-processing."""

import numpy as np

from mmvod_plugins.structures import VideoDetections


def video_of(frames, frame_ids=None, suppressed=False, **video_fields):
    """A video of frames, each a list of (x1, score) or (x1, score, label): boxes of 10 x 10."""
    rows = [[(*entry, 0)[:3] for entry in frame] for frame in frames]
    arrays = [dict(boxes=np.array([[x, 0, x + 10, 10] for x, _, _ in frame],
                                  dtype=np.float64).reshape(-1, 4),
                   scores=np.array([score for _, score, _ in frame], dtype=np.float64),
                   labels=np.array([label for _, _, label in frame], dtype=np.int64))
              for frame in rows]
    return VideoDetections.from_frames('video', frame_ids or range(len(frames)), arrays,
                                       suppressed=suppressed, **video_fields)


def random_video(seed, num_frames=12, num_boxes=8, num_classes=3, gaps=False, relations=False):
    """Crowded random boxes: many overlap, some frames are empty, no two scores are equal."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, num_boxes + 1, num_frames)
    counts[rng.random(num_frames) < 0.1] = 0
    total = int(counts.sum())
    corner = rng.uniform(0, 25, (total, 2))
    frame_ids = np.cumsum(rng.integers(1, 3, num_frames)) if gaps else np.arange(num_frames)
    proposal_ids = np.concatenate([np.arange(0), *(rng.permutation(n) for n in counts)])
    fields = dict(proposal_ids=proposal_ids,
                  relations=[rng.random((num_boxes, num_boxes)) for _ in counts[1:]])
    return VideoDetections(
        f'random {seed}', frame_ids, counts,
        np.concatenate([corner, corner + rng.uniform(20, 40, (total, 2))], axis=1),
        rng.uniform(0.001, 1, total), rng.integers(0, num_classes, total), suppressed=False,
        **(fields if relations else {}))


def shuffled_in_frames(video, seed=0):
    """The same video with the boxes of each frame in another order, and the order, (N,)."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([np.arange(0), *(
        rng.permutation(np.arange(start, end))
        for start, end in zip(video.offsets[:-1], video.offsets[1:], strict=True))])
    arrays = {name: getattr(video, name)[order]
              for name in ('boxes', 'scores', 'labels', 'proposal_ids')
              if getattr(video, name) is not None}
    return video.with_arrays(**arrays), order


def content(video):
    """Detections by frame as sets of rounded rows, in no order; tracks under their first row."""
    rows = np.column_stack([video.frame_index, video.labels, video.boxes, video.scores])
    return sorted(map(tuple, rows.round(9).tolist()))
