"""Configs of post-processors from the words of a command line."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any


def parse_post_processor(text: str) -> dict[str, Any]:
    """Config of a post-processor from ``SeqNMS`` or ``SeqNMS(rescore='max', link_iou=0.6)``.

    A value that ends with ``.json`` is replaced by the content of that file, as in
    ``REPP(link_model='link_model.json')``.

    Raises:
        ValueError: If the text is neither a name nor a call with literal keyword values, or a
            file is not json.
        FileNotFoundError: If a json file does not exist.
    """
    try:
        node = ast.parse(text.strip(), mode='eval').body
        if isinstance(node, ast.Name):
            return dict(type=node.id)
        if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name):
            raise ValueError('expected a name, or a name with keyword arguments')
        options = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
        if None in options:
            raise ValueError('** is not supported')
    except (SyntaxError, ValueError) as error:
        raise ValueError(f'{text!r} is not a post-processor ({error}); write for instance '
                         "SeqNMS or \"SeqNMS(rescore='max')\"") from error
    return dict(type=node.func.id, **{key: _read(value) for key, value in options.items()})


def _read(value: Any) -> Any:  # noqa: ANN401 any literal
    if isinstance(value, str) and value.endswith('.json'):
        if Path(value).exists() and not Path(value).is_file():
            raise ValueError(f'{value} is not a file (a folder, a pipe or a device)')
        try:
            return json.loads(Path(value).read_text(encoding='utf-8'))
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{value} is not json: {error}') from error
    return value
