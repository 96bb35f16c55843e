"""Compare detections with MMTracking's golden runs, within the tolerances of the data's README."""

import numpy as np

from . import golden, mmtracking_runs
from .mmtracking_runs import best_match, facts


def note(path, kind, worst):
    golden.note(f'{golden.case_name(path)} {kind}', ', '.join(
        f'{name} {value:.1e}' if value < 0.5 else f'{name} {100 * value:.1f} %'
        for name, value in worst.items()))


def share_found(found, recorded, limit, iou=0.99):
    """Share of recorded detections found again: box, label and score."""
    if not len(recorded):
        return 1.0
    hits = 0
    for row in recorded:
        same = found[found[:, 5] == row[5]]
        if len(same):
            best, index = best_match(row[None, :4], same[:, :4])
            hits += best[0] > iou and abs(same[index[0], 4] - row[4]) <= limit
    return hits / len(recorded)


def compare_end_to_end(path, num_steps, rows):
    """Detect through the stream; ``rows`` is the share of rows that must agree to 1e-3."""
    recorded, run = golden.load(path), facts(path)
    num_steps = min(num_steps or run['num_test_steps'], run['num_test_steps'])
    model = mmtracking_runs.build_for(path)
    results = mmtracking_runs.run(model, mmtracking_runs.frames_of(path), num_steps)
    assert len(results) == num_steps
    worst = {}
    shares = {'proposals': 1.0, 'rows': 1.0, 'det': 1.0}
    for t, mine in enumerate(results):
        theirs = {name[4:]: value for name, value in recorded.items()
                  if name.startswith(f'f{t:02}.')}
        best, index = best_match(theirs['proposals'][:, :4], mine['boxes'])
        same = best > 0.999
        shares['proposals'] = min(shares['proposals'], same.mean())
        shares['det'] = min(shares['det'], share_found(mine['det'], theirs['det'], 5e-3))
        for name in ('feat', 'rpn_cls', 'rpn_reg'):
            if name in theirs:
                error = float(np.abs(mine[name] - theirs[name]).max())
                worst[name] = max(worst.get(name, 0), error)
        if 'cls_logits' in theirs:
            errors = np.maximum(*(np.abs(mine[name][index] - theirs[name])[same].max(1)
                                  for name in ('cls_logits', 'box_deltas')))
            worst['rows off by'] = max(worst.get('rows off by', 0), float(errors.max()))
            shares['rows'] = min(shares['rows'], (errors <= 1e-3).mean())
    note(path, f'end to end ({num_steps} frames)', worst | shares)
    assert max(worst[name] for name in ('feat', 'rpn_cls', 'rpn_reg')) <= 1e-4
    assert shares['proposals'] >= 0.97
    assert shares['rows'] >= rows
    assert shares['det'] >= 0.95
