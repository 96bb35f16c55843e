"""Where the results of a run go, checked before the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmvod_plugins.results import check_results
from mmvod_plugins.utils.text import safe_stem
from mmvod_plugins.visualization import VideoWriter

from .sources import VideoSource


@dataclass(frozen=True)
class Outputs:
    """Files of a run; nothing is written where all are left out.

    Attributes:
        out_dir: Folder: ``vis/NAME.mp4`` and ``preds/NAME.json`` for each video; None for none.
        vis_out: An annotated video ``.mp4`` of the only source.
        pred_out: A file of all detections, see :func:`mmvod_plugins.results.write_results`.
        pred_format: Its format, where the ending does not say enough.
        save_vis: Whether annotated videos are written to ``out_dir``.
        save_pred: Whether detections are written to ``out_dir``.
        fps: Frame rate of annotated videos; None for that of the source.
    """

    out_dir: Path | None = None
    vis_out: Path | None = None
    pred_out: Path | None = None
    pred_format: str | None = None
    save_vis: bool = True
    save_pred: bool = True
    fps: float | None = None

    def writers(self, sources: Sequence[VideoSource]) -> list[VideoWriter | None]:
        """Writer of the annotated video of each source, None where none is wanted.

        Raises:
            ValueError: If ``vis_out`` is given for several sources, its name does not end in
                ``.mp4``, or the frame rate is not positive.
        """
        rates = [source.fps if self.fps is None else self.fps for source in sources]
        if self.vis_out is not None:
            if len(sources) != 1:
                raise ValueError(f'{self.vis_out} is one video, but there are {len(sources)}: '
                                 'name a folder for the output')
            return [VideoWriter(self.vis_out, rates[0])]
        if self.out_dir is None or not self.save_vis:
            return [None] * len(sources)
        return [VideoWriter(self.out_dir / 'vis' / f'{stem}.mp4', rate)
                for stem, rate in zip(stems(sources), rates, strict=True)]

    def predictions(self, sources: Sequence[VideoSource]) -> list[Path | None]:
        """File for the detections of each source in ``out_dir``, None where none is wanted."""
        if self.out_dir is None or not self.save_pred:
            return [None] * len(sources)
        return [self.out_dir / 'preds' / f'{stem}.json' for stem in stems(sources)]

    def check(self, sources: Sequence[VideoSource], inputs: Sequence[str | Path] = ()) -> None:
        """Check that everything can be written.

        Args:
            sources: What is read, beside
            inputs: further files.

        Raises:
            ValueError: If a name is not possible, or is one of what is read.
            OSError: If a file cannot be written.
            ModuleNotFoundError: If a format needs a package that is not installed.
        """
        read = [*inputs, *(path for source in sources for path in source.paths)]
        for writer in filter(None, self.writers(sources)):
            writer.check(read)
        for file in filter(None, self.predictions(sources)):
            check_results(file, read)
        if self.pred_out is not None:
            others = [self.vis_out] if self.vis_out is not None else []
            if self.pred_out in others:
                raise ValueError(f'{self.pred_out} is named for the video and for the detections')
            check_results(self.pred_out, read, self.pred_format)
            if self.pred_out.suffix.lower() in ('.txt', '.xml') and len(sources) > 1 \
                    and '{video}' not in self.pred_out.name:
                raise ValueError(f'{self.pred_out} holds one video, there are {len(sources)}: '
                                 'write {video} into its name')


def stems(sources: Sequence[VideoSource]) -> list[str]:
    """File names without ending for the results of sources, all different."""
    found: list[str] = []
    for source in sources:
        stem, count = safe_stem(Path(source.name).stem if source.paths else source.name), 1
        while (name := stem if count == 1 else f'{stem}_{count}') in found:
            count += 1
        found.append(name)
    return found
