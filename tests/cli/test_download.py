"""Published weights by name: the right file or a clear sentence."""

import hashlib
import importlib.util
from urllib.error import URLError

import pytest
import torch

from mmvod_plugins.checkpoints import reading
from mmvod_plugins.cli import main
from mmvod_plugins.engine.zoo import find_entry, zoo_models
from tests.test_docs import ROOT


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A server with one file, whose hash is in its name or not; returns what was asked for."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    torch.save(dict(state_dict=dict(a=torch.ones(2))), tmp_path / 'model.pth')
    content = (tmp_path / 'model.pth').read_bytes()
    asked = []

    def serve(address, target, **_):
        asked.append(address)
        with open(target, 'wb') as file:
            file.write(content)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', serve)
    return asked, hashlib.sha256(content).hexdigest()


def with_weights(monkeypatch, digest):
    """The zoo, with a file of this hash in the place of SELSA's."""
    model = find_entry('selsa-r50')
    changed = type(model)(model.names, model.config, f'https://host/selsa-{digest[:8]}.pth',
                          model.entry)
    monkeypatch.setattr('mmvod_plugins.cli.download.find_entry', lambda _: changed)


def test_a_file_is_downloaded_once_checked_and_copied(published, monkeypatch, tmp_path, capsys):
    asked, digest = published
    with_weights(monkeypatch, digest)
    assert main(['download', 'selsa-r50']) == 0
    file = tmp_path / f'hub/checkpoints/selsa-{digest[:8]}.pth'
    assert capsys.readouterr().out == f'{file}\n'
    assert main(['download', 'selsa-r50', '--dest', str(tmp_path / 'a b')]) == 0
    assert (tmp_path / 'a b' / file.name).read_bytes() == file.read_bytes()
    assert len(asked) == 1


@pytest.mark.usefixtures('published')
def test_another_file_than_was_published_is_refused_and_deleted(monkeypatch, tmp_path):
    with_weights(monkeypatch, '0' * 8)
    with pytest.raises(SystemExit, match=r'published file has 00000000.*deleted'):
        main(['download', 'selsa-r50'])
    assert not [*(tmp_path / 'hub/checkpoints').iterdir()]


@pytest.mark.usefixtures('published')
def test_without_a_connection_it_is_said(monkeypatch):
    def fail(*_, **__):
        raise URLError('Name or service not known')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fail)
    with pytest.raises(SystemExit, match=r'selsa.*\.pth cannot be downloaded .*--weights'):
        main(['download', 'selsa-r50'])


@pytest.mark.parametrize(('name', 'message'), [
    ('mega-r101', r'by hand, from https://github.com/Scalsol/mega.pytorch \(non-commercial'),
    ('mst-r101', 'mst-r101 has no published weights'),
    ('selsa-r5', 'similar names are .*selsa-r50')])
def test_models_without_weights_say_where_they_are(published, name, message):
    with pytest.raises(SystemExit, match=message):
        main(['download', name])
    assert not published[0]


def test_the_list_is_of_models_with_weights(capsys):
    assert main(['download']) == 0
    names = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert names == [model.names[0] for model in zoo_models() if model.weights]
    assert len(names) > 10


def test_an_alias_is_the_model():
    name = 'selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'
    assert find_entry('selsa-r50') == find_entry(name)


def test_weights_that_load_by_default_are_for_any_purpose():
    for model in zoo_models():
        terms = model.entry.get('Weights License')
        assert bool(terms) == bool(model.weights or model.entry.get('Weights Page')), model.names
        assert not (model.weights and 'non-commercial' in terms), model.names
        assert not model.weights or model.sha256, model.names
        for result in model.entry.get('Results', []):
            assert result['Task'] == 'Video Object Detection', model.names


def test_the_page_agrees_with_the_metafiles(monkeypatch, tmp_path, capsys):
    path = ROOT / 'tools/misc/write_model_zoo.py'
    spec = importlib.util.spec_from_file_location('write_model_zoo', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.main(['--check']) == 0, 'run tools/misc/write_model_zoo.py'
    first = tool.PAGE.read_text().splitlines()[2]
    assert first.startswith(f'**{sum(bool(m.weights) for m in zoo_models())} of ')
    monkeypatch.setattr(tool, 'PAGE', tmp_path / 'other.md')
    assert tool.main(['--check']) == 1
    assert 'does not agree' in capsys.readouterr().err


def test_the_hash_is_of_the_file(tmp_path):
    (tmp_path / 'a').write_bytes(b'abc')
    assert reading.sha256(tmp_path / 'a') == hashlib.sha256(b'abc').hexdigest()
