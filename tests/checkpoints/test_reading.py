"""Checkpoints are read without running code; what is damaged is named."""

import hashlib
import os
import pickle
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.runner import checkpoint as stock

from mmvod_plugins.checkpoints import (
    CheckpointError,
    check_file,
    guard_mmengine,
    guard_mmengine_by_default,
    read_checkpoint,
    reading,
)


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder), )


def ordinary():
    """What mmengine saves, with numbers of every kind."""
    hub = MessageHub('reading')
    for value in (1.0, np.float64(2.0), torch.tensor(3.0)):
        hub.update_scalar('train/loss', value)
    hub.update_info('best', np.float32(0.5))
    hub.update_info('array', np.arange(3))
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    meta = dict(epoch=1, iter=3, dataset_meta=ConfigDict(classes=('a', 'b'), palette=[(1, 2, 3)]))
    return dict(state_dict=model.state_dict(), optimizer=optimizer.state_dict(), meta=meta,
                message_hub=hub.state_dict(), param_schedulers=[dict(last_step=3)])


@pytest.fixture(params=['weights_only', 'old torch'])
def either_torch(request, monkeypatch):
    if request.param == 'old torch':
        monkeypatch.delattr(torch.serialization, 'safe_globals')


@pytest.fixture
def schemes(monkeypatch):
    """mmengine's readers, restored afterwards."""
    monkeypatch.setattr(stock.CheckpointLoader, '_schemes',
                        dict(stock.CheckpointLoader._schemes))


FORMATS = dict(zip=True, legacy=False)


@pytest.mark.parametrize('zipped', FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.usefixtures('either_torch')
def test_code_does_not_run_and_is_named(tmp_path, zipped, protocol):
    path, made = tmp_path / 'bad.pth', tmp_path / 'made'
    torch.save(dict(state_dict={}, extra=Attack(made)), path, pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r'bad\.pth .* would run (posix|nt)\.mkdir') as found:
        read_checkpoint(path)
    assert '--trust' in str(found.value)
    assert 'convert_checkpoint.py' in str(found.value)
    assert not made.exists()
    read_checkpoint(path, trust=True)
    assert made.exists()


def test_an_environment_that_forces_unpickling_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    test_code_does_not_run_and_is_named(tmp_path, zipped=True, protocol=2)


@pytest.mark.usefixtures('either_torch')
def test_getattr_reaches_nothing_but_the_statistics_of_histories(tmp_path):
    """A pickle that asks for ``torch.nn.Parameter.__init__.__globals__`` piece by piece."""
    class Reach:
        def __reduce__(self):
            return getattr, (torch.nn.Parameter, '__init__')
    torch.save(dict(state_dict={}, extra=Reach()), tmp_path / 'reach.pth')
    with pytest.raises(CheckpointError, match='getattr'):
        read_checkpoint(tmp_path / 'reach.pth')


@pytest.mark.parametrize('zipped', FORMATS.values(), ids=FORMATS)
@pytest.mark.usefixtures('either_torch')
def test_what_mmengine_saves_is_read(tmp_path, zipped):
    content = ordinary()
    torch.save(content, tmp_path / 'k.pth', _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / 'k.pth')
    assert found['meta'] == content['meta']
    assert torch.equal(found['state_dict']['weight'], content['state_dict']['weight'])
    hub = MessageHub('restored')
    hub.load_state_dict(found['message_hub'])
    assert hub.get_scalar('train/loss').mean() == pytest.approx(2.0)
    assert hub.get_info('array').tolist() == [0, 1, 2]


@pytest.mark.usefixtures('schemes')
def test_mmengine_is_guarded(tmp_path):
    torch.save(dict(state_dict={}, extra=Attack(tmp_path / 'made')), tmp_path / 'bad.pth')
    guard_mmengine()
    with pytest.raises(CheckpointError, match='would run'):
        stock.load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'bad.pth'))
    assert not (tmp_path / 'made').exists()
    guard_mmengine(trust=True)
    stock.load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'bad.pth'))
    assert (tmp_path / 'made').exists()


@pytest.mark.usefixtures('schemes')
def test_a_download_is_guarded_too(tmp_path, monkeypatch):
    served = tmp_path / 'served'
    served.mkdir()
    torch.save(dict(state_dict={}, extra=Attack(tmp_path / 'made')), served / 'bad.pth')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    handler.log_message = lambda *_: None
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    guard_mmengine()
    try:
        with pytest.raises(CheckpointError, match=r'bad\.pth holds more than weights'):
            stock.load_checkpoint(torch.nn.Linear(1, 1),
                                  f'http://127.0.0.1:{server.server_port}/bad.pth')
    finally:
        server.shutdown()
        server.server_close()
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('scheme', ['torchvision', 'modelzoo', 'open-mmlab', 'openmmlab', 'mmcls'])
@pytest.mark.usefixtures('schemes')
def test_names_of_mmengine_s_lists_are_guarded(tmp_path, monkeypatch, scheme):
    bad = dict(state_dict={'backbone.weight': torch.ones(1)}, extra=Attack(tmp_path / 'made'))
    torch.save(bad, tmp_path / 'bad.pth')
    torch.save(dict(state_dict=bad['state_dict']), tmp_path / 'good.pth')
    names = {name: str(tmp_path / f'{name}.pth') for name in ('bad', 'good')}
    for reader in ('torchvision', 'external', 'mmcls'):
        monkeypatch.setattr(stock, f'get_{reader}_models', lambda: names)
    guard_mmengine()
    load = stock.CheckpointLoader.load_checkpoint
    with pytest.raises(CheckpointError, match=r'bad\.pth holds more than weights'):
        load(f'{scheme}://bad')
    assert not (tmp_path / 'made').exists()
    key = 'weight' if scheme == 'mmcls' else 'backbone.weight'
    assert load(f'{scheme}://good')['state_dict'] == {key: torch.ones(1)}
    with pytest.raises(CheckpointError, match=f'{scheme}://other: mmengine has no weights'):
        load(f'{scheme}://other')


@pytest.mark.usefixtures('schemes')
def test_a_name_that_mmengine_has_replaced(tmp_path, monkeypatch):
    [(old, new), *_] = stock.get_deprecated_model_names().items()
    torch.save(dict(weight=torch.ones(1)), tmp_path / 'new.pth')
    monkeypatch.setattr(stock, 'get_external_models', lambda: {new: str(tmp_path / 'new.pth')})
    guard_mmengine()
    assert stock.CheckpointLoader.load_checkpoint(f'open-mmlab://{old}')['weight'] == 1


@pytest.mark.parametrize('address', ['s3://b/k.pth', 'a:s3://b/k.pth', 'petrel://k', 'pavi://k'])
@pytest.mark.usefixtures('schemes')
def test_storage_that_is_not_checked_is_refused_unless_trusted(address):
    guard_mmengine()
    with pytest.raises(CheckpointError, match=r'is not read: .* Download the file'):
        stock.CheckpointLoader.load_checkpoint(address)
    guard_mmengine(trust=True)
    reader = stock.CheckpointLoader._get_checkpoint_loader(address)
    assert reader in (stock.load_from_ceph, stock.load_from_pavi)


@pytest.mark.usefixtures('schemes')
def test_a_guard_that_was_set_stays(tmp_path):
    torch.save(dict(state_dict={}, extra=Attack(tmp_path / 'made')), tmp_path / 'bad.pth')
    guard_mmengine_by_default()
    with pytest.raises(CheckpointError, match='would run'):
        stock.CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'))
    guard_mmengine(trust=True)
    guard_mmengine_by_default()
    stock.CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'))
    assert (tmp_path / 'made').exists()


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'does not exist'),
    (b'', r'is empty \(0 bytes\)'),
    (b'<!DOCTYPE html><html>404', r'not a checkpoint: .*DOCTYPE.* a web page'),
    (b'version https://git-lfs', 'is not a checkpoint: it starts with'),
    (b'PK\x03\x04 and no more', r'is cut off or damaged \(16 bytes\)'),
    (b'\x80\x02 and no more', 'cannot be read as a checkpoint: it is damaged'),
    (pickle.dumps([1, 2], 2), 'cannot be read as a checkpoint'),
])
def test_damaged_files_are_named(tmp_path, content, message):
    path = tmp_path / 'k.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf'k\.pth.*({message})'):
        read_checkpoint(path)


def test_a_file_that_was_cut_or_has_a_flipped_byte_is_named(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.arange(4096.))), tmp_path / 'k.pth')
    whole = (tmp_path / 'k.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match=r'cut\.pth is cut off or damaged'):
        check_file(tmp_path / 'cut.pth')
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / 'flipped.pth').write_bytes(flipped)
    assert torch.load(tmp_path / 'flipped.pth', weights_only=True)  # torch does not look
    with pytest.raises(CheckpointError, match=r'flipped\.pth is damaged \(checksum of .*data'):
        read_checkpoint(tmp_path / 'flipped.pth')


def test_the_hash_in_a_name_is_compared(tmp_path):
    torch.save(dict(weight=torch.arange(4096.)), tmp_path / 'k.pth',
               _use_new_zipfile_serialization=False)
    content = bytearray((tmp_path / 'k.pth').read_bytes())
    path = tmp_path / f'k_20200130-{hashlib.sha256(content).hexdigest()[:8]}.pth'
    path.write_bytes(content)
    assert read_checkpoint(path)['weight'][5] == 5
    content[-50] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='the name promises a SHA-256'):
        read_checkpoint(path)
    torch.save(dict(weight=torch.zeros(1)), tmp_path / 'k-0123abcd.pth')
    with pytest.warns(UserWarning, match=r'k-0123abcd\.pth: the name promises'):
        read_checkpoint(tmp_path / 'k-0123abcd.pth')


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_weights_that_are_no_numbers_are_named(tmp_path, dtype):
    weights = dict(a=torch.tensor([1., float('inf')], dtype=dtype), n=torch.zeros(1).long())
    torch.save(dict(state_dict=weights), tmp_path / 'k.pth')
    read_checkpoint(tmp_path / 'k.pth')
    weights['b.weight'] = torch.tensor([0., float('nan')], dtype=dtype)
    torch.save(dict(state_dict=weights), tmp_path / 'k.pth')
    with pytest.raises(CheckpointError, match=r'k\.pth holds NaN in 1 weights .*b\.weight'):
        read_checkpoint(tmp_path / 'k.pth')


def test_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe.pth')
    for path in (tmp_path, tmp_path / 'pipe.pth'):
        with pytest.raises(CheckpointError, match='is not a file'):
            read_checkpoint(path)
    assert set(reading.ALLOWED) & {'posix.system', 'builtins.eval', 'torch.load'} == set()
