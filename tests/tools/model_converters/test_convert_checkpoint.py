"""The converter writes what the model would have loaded, and says what it refuses."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import load_checkpoint

from tests.checkpoints.test_mega_pytorch import assert_equal_weights, published, wrapped
from tests.models.tiny import MEGA, WINDOW, tiny_model

TOOLS = Path(__file__).resolve().parents[3] / 'tools' / 'model_converters'


@pytest.fixture
def convert(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    sys.modules.pop('convert_checkpoint', None)
    import convert_checkpoint
    return convert_checkpoint.main


@pytest.mark.parametrize(('method', 'name', 'references'), [
    ('single', 'single frame', None), ('mega', 'MEGA', MEGA), ('rdn-base', 'RDN-base', WINDOW),
    ('rdn', 'RDN', WINDOW)])
@pytest.mark.parametrize('wrap', [dict, wrapped], ids=['bare', 'wrapped'])
def test_a_converted_file_is_plain_and_loads_completely(method, name, references, wrap, convert,
                                                        tmp_path, capsys):
    source, model = (tiny_model(method, references, seed=seed) for seed in (0, 1))
    weights = published(source)
    torch.save(wrap(weights), tmp_path / 'published.pth')
    written = tmp_path / 'new folder' / 'converted.pth'
    assert convert([str(tmp_path / 'published.pth'), str(written)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f'method: {name}' in printed
    assert f'mapped: {len(weights) - 1} keys' in printed
    assert printed[printed.index('dropped: 1 keys') + 1] == '  1: anchors come from the config'
    content = torch.load(written, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in content.values())
    assert all(value.untyped_storage().nbytes() == value.numel() * value.element_size()
               for value in content.values())
    load_checkpoint(model, str(written), strict=True)
    assert_equal_weights(model, source)
    assert [path.name for path in written.parent.iterdir()] == ['converted.pth']


def test_every_key_is_printed_on_demand(convert, tmp_path, capsys):
    weights = published(tiny_model('rdn', WINDOW))
    torch.save(weights, tmp_path / 'a.pth')
    convert([str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--keys'])
    printed = capsys.readouterr().out
    assert all(f'  {key}' in printed for key in weights)
    assert ('  roi_heads.box.feature_extractor.fcs.2.bias -> '
            'detector.roi_head.aggregator.advanced_transforms.0.bias\n') in printed


@pytest.mark.parametrize(('content', 'text'), [
    ({'backbone.body.stem.conv1.weight': torch.zeros(1)},
     r'a\.pth: the checkpoint is of mega\.pytorch with no known method: only'),
    ({'encoder.weight': torch.zeros(1)}, r"no published format .* \['encoder.weight'\]"),
    ({'state_dict': {'detector.backbone.conv1.weight': torch.zeros(1)}}, 'need no conversion'),
])
def test_what_cannot_be_converted_is_refused(content, text, convert, tmp_path):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(SystemExit, match=text):
        convert([str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth')])
    assert not (tmp_path / 'b.pth').exists()


def test_bad_files_and_names_are_refused(convert, tmp_path):
    target = str(tmp_path / 'b.pth')
    with pytest.raises(SystemExit, match=r'missing\.pth does not exist'):
        convert([str(tmp_path / 'missing.pth'), target])
    (tmp_path / 'text.pth').write_text('no checkpoint')
    with pytest.raises(SystemExit, match=r'text\.pth is not a checkpoint'):
        convert([str(tmp_path / 'text.pth'), target])
    torch.save(published(tiny_model('single')), tmp_path / 'a.pth')
    convert([str(tmp_path / 'a.pth'), target])
    with pytest.raises(SystemExit, match='exists: choose another name or add --overwrite'):
        convert([str(tmp_path / 'a.pth'), target])
    assert convert([str(tmp_path / 'a.pth'), target, '--overwrite']) == 0


def test_a_file_with_more_than_tensors_needs_trust(convert, tmp_path):
    content = {'model': published(tiny_model('single')), 'meta': Path('x')}
    torch.save(content, tmp_path / 'a.pth')
    arguments = [str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth')]
    with pytest.raises(SystemExit, match=r'would run pathlib\.\w+\..*add --trust'):
        convert(arguments)
    assert convert([*arguments, '--trust']) == 0


def test_a_trusted_file_of_our_own_is_reduced_to_its_weights(convert, tmp_path, capsys):
    model = tiny_model('single')
    torch.save(dict(state_dict=model.state_dict(), meta=Path('x')), tmp_path / 'a.pth')
    assert convert([str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth'), '--trust']) == 0
    assert 'method: unchanged' in capsys.readouterr().out
    other = tiny_model('single', seed=1)
    load_checkpoint(other, str(tmp_path / 'b.pth'), strict=True)
    assert_equal_weights(model, other)
