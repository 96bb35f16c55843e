"""The version check, with modules that are made up."""

import sys
import warnings
from types import ModuleType

import pytest

from mmvod_plugins.utils import versions
from mmvod_plugins.utils.versions import Dependency, check_installation, release

DEPENDENCIES = tuple(
    Dependency(name, f'official-{name}', f'fork-{name}', minimum, tested)
    for name, minimum, tested in [('fake_engine', '0.10.7', '0.10'), ('mmcv', '2.1.0', '2.3'),
                                  ('fake_det', '3.3.0', '3.5')])


@pytest.fixture
def stack(monkeypatch):
    """Install made-up modules: ``stack(fake_det='3.3.0')``; None stands for missing."""
    def install(operators=True, **changes):
        found = {'fake_engine': '0.10.12', 'mmcv': '2.3.6', 'fake_det': '3.5.1'} | changes
        for name, version in found.items():
            module = ModuleType(name)
            module.__version__ = version
            module.__path__ = []
            monkeypatch.setitem(sys.modules, name, module)
            if version is None:
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, 'mmcv._ext', ModuleType('mmcv._ext'))
        if not operators:
            monkeypatch.delitem(sys.modules, 'mmcv._ext')
    return install


@pytest.mark.parametrize(('version', 'numbers'), [
    ('2.13.0+cpu', (2, 13, 0)), ('3.5.1rc2', (3, 5, 1)), ('0.10', (0, 10)),
])
def test_release(version, numbers):
    assert release(version) == numbers


def test_release_refuses_what_is_no_version():
    with pytest.raises(ValueError, match="got 'unknown'"):
        release('unknown')


@pytest.mark.parametrize('changes', [
    {}, {'fake_engine': '0.10.7', 'mmcv': '2.1.0', 'fake_det': '3.3.0'},
    {'fake_engine': '0.10.99'}, {'mmcv': '2.3.6+cu130'},
], ids=['forks', 'official', 'later-patch', 'local-version'])
def test_tested_versions_pass_without_a_word(stack, changes):
    stack(**changes)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_installation(DEPENDENCIES)


@pytest.mark.parametrize('name', ['fake_engine', 'fake_det'])
def test_a_missing_dependency_names_both_distributions_and_commands(stack, name):
    stack(**{name: None})
    with pytest.raises(ImportError, match=f'official-{name}') as missing:
        check_installation(DEPENDENCIES)
    for words in (f'fork-{name}', "'mmvod_plugins[openmmlab]'", "'mmvod_plugins[onedl]'"):
        assert words in str(missing.value)


@pytest.mark.parametrize(('name', 'version'), [
    ('fake_engine', '0.10.6'), ('mmcv', '1.7.2'), ('fake_det', '3.2.0'), ('fake_det', '2.28.2'),
])
def test_an_old_version_is_refused(stack, name, version):
    stack(**{name: version})
    with pytest.raises(ImportError, match=f'{name} >= .*found {version}'):
        check_installation(DEPENDENCIES)


@pytest.mark.parametrize(('name', 'version'), [
    ('fake_engine', '0.11.0'), ('mmcv', '2.4.0'), ('fake_det', '4.0.0'),
])
def test_a_new_version_only_warns(stack, name, version):
    stack(**{name: version})
    with pytest.warns(UserWarning, match=f'tested with {name} up to .*found {version}'):
        check_installation(DEPENDENCIES)


def test_missing_operators_are_refused_with_the_command(stack):
    stack(operators=False)
    with pytest.raises(ImportError, match=r'no usable compiled operators.*--no-build-isolation'):
        check_installation(DEPENDENCIES)


def test_an_assertion_of_mmdet_becomes_an_import_error(stack, monkeypatch):
    stack()

    def importer(_):
        raise AssertionError('MMCV==2.3.6 is used but incompatible.')

    monkeypatch.setattr(versions, 'import_module', importer)
    with pytest.raises(ImportError, match=r'MMCV==2\.3\.6 is used but'):
        check_installation(DEPENDENCIES)


def test_a_broken_module_inside_a_dependency_is_not_called_missing(monkeypatch):
    def importer(_):
        raise ModuleNotFoundError("No module named 'cv2'", name='cv2')

    monkeypatch.setattr(versions, 'import_module', importer)
    with pytest.raises(ModuleNotFoundError, match='cv2'):
        versions.installed_version(DEPENDENCIES[0])


def test_both_distributions_at_once_are_reported(stack, monkeypatch):
    stack()
    monkeypatch.setattr(versions, '_has', lambda name: name.endswith('mmcv'))
    with pytest.warns(UserWarning, match='official-mmcv and fork-mmcv are both installed'):
        check_installation(DEPENDENCIES)
