"""Every example of docs/inference.md, with a tiny model in the place of others."""

import re
import shlex

import cv2
import pytest

from mmvod_plugins.apis import build, painter, sources
from mmvod_plugins.cli import main
from mmvod_plugins.results.files import FORMATS, SUFFIXES
from mmvod_plugins.results.table import COLUMNS
from mmvod_plugins.visualization import write_video
from tests.apis.test_inference import as_images, model_file
from tests.models.tiny import ONLINE, video
from tests.test_docs import ROOT, blocks

COMMANDS = [line for line in ''.join(blocks('inference.md', 'bash')).splitlines()
            if line.startswith('mmvod')]


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """The folder of a reader: a model, a video, a folder of videos, one of frames, a camera."""
    model_file(tmp_path, ONLINE)
    frames = as_images(video(4))
    for name in ('street.mp4', 'clips/a.mp4', 'clips/b.mp4'):
        write_video(tmp_path / name, frames)
    (tmp_path / 'frames').mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'frames/{i}.png'), frame)
    monkeypatch.chdir(tmp_path)
    find = build.find_entry
    monkeypatch.setattr(build, 'find_entry', lambda name: find(name) and find('config.py'))
    monkeypatch.setattr(build, 'fetch', lambda *_: 'model.pth')
    monkeypatch.setattr(sources, '_live', lambda *_: sources.VideoSource(
        'camera 0', lambda: iter(frames), replayable=False, live=True))
    monkeypatch.setenv('DISPLAY', ':0')
    for name in ('namedWindow', 'imshow'):
        monkeypatch.setattr(painter.cv2, name, lambda *_: None)
    monkeypatch.setattr(painter.cv2, 'waitKey', lambda _: -1)
    return tmp_path


@pytest.mark.parametrize('command', COMMANDS)
def test_commands(reader, command):
    before = {path for path in reader.rglob('*') if path.is_file()}
    words = shlex.split(command)[1:]
    assert main(words) == 0
    made = {str(path.relative_to(reader)) for path in reader.rglob('*') if path.is_file()}
    made -= {str(path.relative_to(reader)) for path in before}
    named = [words[words.index(option) + 1] for option in ('--out', '--pred-out')
             if option in words]
    expected = {'out': {f'out/{part}/{name}' for name in 'ab' for part in ('vis', 'preds')},
                '{video}.xml': {'a.mp4.xml', 'b.mp4.xml'}}
    assert {re.sub(r'^(out/.*)\..*', r'\1', name) for name in made} == set().union(
        *(expected.get(name, {name}) for name in named))


def test_python(reader, capsys):
    scope = {}
    for block in blocks('inference.md', 'python inference'):
        exec(compile(block, 'inference.md', 'exec'), scope)
    printed = capsys.readouterr().out
    assert re.findall(r'^(\d) tensor', printed, re.MULTILINE) == ['0', '1', '2', '3']
    assert printed.startswith('3 [')
    assert (reader / 'out/preds/street.json').is_file()
    assert (reader / 'tasks.json').is_file()


def test_the_table_of_outputs_is_complete():
    """Endings, formats, what holds one video, what can be read, the columns."""
    text = (ROOT / 'docs/inference.md').read_text()
    rows = re.findall(r'^\| `(\.\w+)`(?:, `--pred-format (\w+)`)? \|(.*)\|$', text, re.MULTILINE)
    assert {suffix for suffix, *_ in rows} == set(SUFFIXES)
    assert {name for _, name, _ in rows if name} == {'coco', 'label_studio'}
    for suffix, name, cells in rows:
        found = FORMATS.get(name) or next(
            (known for known in FORMATS.values() if known.suffix == suffix), None)
        *_, several, again = (cell.strip() for cell in cells.split('|'))
        if found is not None:
            assert (several == '`{video}`') == found.one_video, suffix
            assert (again == 'yes') == (found.read is not None), suffix
    assert ', '.join(COLUMNS) in text
