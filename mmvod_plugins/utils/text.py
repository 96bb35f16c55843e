"""Text that other formats can hold."""

from __future__ import annotations

import re

_ILLEGAL = re.compile('[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def legal_xml(text: str) -> str:
    """The text with U+FFFD in place of characters that XML 1.0 cannot hold."""
    return _ILLEGAL.sub('\ufffd', text)


def safe_stem(name: object) -> str:
    """A file name without folders from the id of a video; its suffix stays.

    ``../../clip 1.mp4`` gives ``clip 1.mp4`` only if there is no folder in it: separators become
    ``_``, so that two videos of two folders keep two names, and the result leads nowhere else.
    """
    stem = re.sub(r'[\x00-\x1f\\/:*?"<>|]+', '_', str(name)).strip(' .')
    return stem.encode()[:200].decode(errors='ignore') or 'video'
