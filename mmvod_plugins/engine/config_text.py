"""The config in a checkpoint, read without running it."""

from __future__ import annotations

import ast
from typing import Any

from mmengine.config import Config, ConfigDict

#: Parts of a config that testing needs.
PARTS = ('model', 'test_dataloader', 'default_scope')
#: Prefixes that a registered name may have.
SCOPES = ('mmdet', 'mmvod_plugins')


def config_from_text(text: str, source: str, *, trust: bool = False) -> Config:
    """The parts of a config that testing needs, from the text that mmengine saves.

    A config is a program, and a checkpoint may come from anywhere. So only literals and ``dict``
    are read, nothing is imported, and a ``type`` must be the name of something registered:
    mmengine would call any function that a dotted path names.

    Args:
        text: ``meta['cfg']`` of a checkpoint.
        source: Name of the checkpoint, for messages.
        trust: Whether the text may be run instead, with its imports.

    Raises:
        ValueError: If the text holds more than that, or no model.
    """
    if trust:
        return Config.fromstring(text, '.py')
    found: dict[str, Any] = {}
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and node.targets[0].id in PARTS:
                found[node.targets[0].id] = _value(node.value)
        _check_types(found)
    except (SyntaxError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f'the config in {source} is more than settings ({error}): pass the config '
                         'itself as model=..., or trust=True (--trust) if you trust the source of '
                         'the file') from error
    if 'model' not in found:
        raise ValueError(f'the config in {source} has no model: pass a config as model=...')
    return Config(ConfigDict(found))


def _value(node: ast.expr) -> Any:  # noqa: ANN401 any literal
    """Value of an expression of literals and ``dict(...)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' \
            and not node.args and all(word.arg for word in node.keywords):
        return {word.arg: _value(word.value) for word in node.keywords}
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(key): _value(value)
                for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(part) for part in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Call):
        raise ValueError(f'line {node.lineno} calls something')
    return ast.literal_eval(node)


def _check_types(node: Any) -> None:  # noqa: ANN401 any part of a config
    """Raise if a ``type`` is a path of Python."""
    if isinstance(node, dict):
        kind = node.get('type')
        scope, _, name = kind.rpartition('.') if isinstance(kind, str) else ('', '', '')
        if scope and (scope not in SCOPES or '.' in name):
            raise ValueError(f'type={kind!r} is a path')
        _check_types(list(node.values()))
    elif isinstance(node, list | tuple):
        for part in node:
            _check_types(part)
