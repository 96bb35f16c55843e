"""Parts of a published backbone for modules that stand outside of it."""

from __future__ import annotations

from typing import Any


def take_renamed(state_dict: dict[str, Any], prefix: str, names: dict[str, str]) -> None:
    """Keep what a module takes of a whole backbone's file, under the module's names, in place.

    For a pre-hook of ``load_state_dict``: a file that is the module's own stays as it is.

    Args:
        state_dict: What is being loaded.
        prefix: Of the module in it; only a module that loads a file by itself renames.
        names: Beginnings of the file's names, and what stands for them in the module.
    """
    taken = {
        new + key.removeprefix(old): value
        for key, value in state_dict.items()
        for old, new in names.items() if key.startswith(old)
    }
    if taken and not prefix:
        state_dict.clear()
        state_dict.update(taken)
