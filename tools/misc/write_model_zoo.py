"""Write docs/model_zoo.md from the metafiles; --check compares them and writes nothing."""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from mmvod_plugins.engine.zoo import ZooModel, zoo_models
from mmvod_plugins.utils.files import write_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/model_zoo.md'
HEAD = """\
# Model zoo

**{ready} of {total} models have published weights that load as they are: those of MMTracking
({methods}). {manual} more have weights that you download by hand.
The other {rest} have none yet: no model of this package has been trained on ImageNet VID.**
`tools/misc/write_model_zoo.py` writes this page from the metafiles.

```bash
mmvod download                       # the models that have weights
mmvod download selsa-r50             # checked by its hash, read without running code
mmvod predict video.mp4 --model selsa-r50 --out annotated.mp4
```

A model has a name (that of its config) and perhaps an alias. `VideoDetInferencer(model=...)` and
`mmvod` take both. Without a connection the command says so; copy the file and give it as
`--weights`.

* `mmvod download` verifies the SHA-256, whose first digits end the file's name, and deletes a
  file that differs.
* Weights for non-commercial purposes only (mega.pytorch's) are never a default: you download them
  yourself. Terms are those of the program that published them, as far as they are known here;
  read them there.
* AP is what the paper or the program reports (AP50 on ImageNet VID), not measured with this
  package; the pages of the methods say which.

## With `mim`

`mim` reads the same metafiles. Use `onedl-mim` (`pip install onedl-mim`): the official `openmim`
0.3.9 does not import beside current setuptools.

| command | |
|---|---|
| `mim search mmvod_plugins --model mega` | every model |
| `mim download mmvod_plugins --config NAME --dest DIR` | the names with a SHA-256 below |
| `mim train onedl-mmdetection CONFIG` | on the onedl stack, where `mim train mmdet` fails |
| `mim train mmvod_plugins NAME` | on the official stack |
| `mim run mmvod_plugins TOOL` | every script in `tools` |

For a name without weights `mim download` fails in mim itself (`'float' object has no attribute
'split'`). It checks no hash and takes no alias.
"""


def text() -> str:
    """The whole page."""
    models = list(zoo_models())
    ready = [model for model in models if model.weights]
    manual = [model for model in models if not model.weights and 'Weights Page' in model.entry]
    methods = ', '.join(dict.fromkeys(model.entry['In Collection'] for model in ready))
    parts = [HEAD.format(ready=len(ready), total=len(models), methods=methods, manual=len(manual),
                         rest=len(models) - len(ready) - len(manual))]
    groups: dict[str, list[ZooModel]] = defaultdict(list)
    for model in models:
        groups[model.entry['In Collection']].append(model)
    for name, group in groups.items():
        parts.append(f'\n## {name}\n\n| model | alias | data | AP | weights | terms |\n'
                     '|---|---|---|---|---|---|\n' + ''.join(map(row, group)))
    return ''.join(parts)


def row(model: ZooModel) -> str:
    """The line of a model."""
    entry, name = model.entry, model.names[0]
    results = entry.get('Results') or [{}]
    numbers = ', '.join(str(value) for part in results
                        for value in part.get('Metrics', {}).values())
    page = entry.get('Weights Page')
    weights = (f'[SHA-256 {model.sha256 or "unknown"}]({model.weights})' if model.weights else
               f'[by hand]({page})' if page else '')
    return (f'| [{name}](../{entry["Config"]}) | {", ".join(model.names[1:])} '
            f'| {results[0].get("Dataset", "")} | {numbers} | {weights} '
            f'| {entry.get("Weights License", "")} |\n')


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code, 1 if the page does not agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing')
    if not parser.parse_args(argv).check:
        write_text(PAGE, text())
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding='utf-8') != text():
        print(f'{PAGE} does not agree with the metafiles: run {Path(__file__).name}',
              file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
