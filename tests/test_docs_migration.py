"""The configs on the pages for users of other programs are those of this package."""

from mmengine.config import Config

from mmvod_plugins.where import find_config
from tests.test_docs import blocks


def read(text, path):
    path.write_text(text)
    return Config.fromfile(path)


def differences(part, whole, at=''):
    """Keys of a part that the whole does not have with the same value."""
    for key, value in part.items():
        if key == '_delete_':
            continue
        here = f'{at}.{key}'
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            yield from differences(value, whole[key], here)
        elif whole.get(key) != value:
            yield here


def test_the_child_of_mega_names_the_values_that_it_has_anyway(tmp_path):
    [block] = blocks('migration/mega_pytorch.md', 'python config')
    shipped = Config.fromfile(
        find_config('mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid'))
    child = read(block, tmp_path / 'child.py')
    assert list(differences(shipped.model, child.model)) == []
    assert set(child.model) - set(shipped.model) == {'_scope_'}  # mmengine's, for `package::`
    assert child.load_from == 'MEGA_R_101.pth'


def test_the_config_beside_mmtracking_s_is_the_shipped_one(tmp_path):
    _, ours = blocks('migration/mmtracking.md', 'python')
    shown = read(ours[ours.index('model = '):], tmp_path / 'shown.py')
    shipped = Config.fromfile(find_config('selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid'))
    assert list(differences(shown.model, shipped.model)) == []


def test_a_wrong_value_would_be_seen():
    assert list(differences(dict(a=dict(b=1, c=2)), dict(a=dict(b=1, c=3)))) == ['.a.c']


def test_the_chinese_page_has_the_config_of_own_data(tmp_path):
    [block] = blocks('zh_CN/quick_start.md', 'python config')
    assert read(block, tmp_path / 'own.py').own_data.classes == ('cat', 'dog')
