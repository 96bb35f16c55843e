"""Configuration of the documentation site; ``make docs`` builds it.

The sources are the Markdown files of the whole repository, so that a link between any two of them
is checked and also works where the files are read. The reference of the API is read from the
sources without importing them: no torch is needed.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = 'mmvod_plugins'
author = copyright = 'The mmvod_plugins authors'  # noqa: A001 Sphinx's name
release = re.search(r"__version__ = '(.+)'",
                    (ROOT / 'mmvod_plugins' / 'version.py').read_text())[1]

extensions = ['myst_parser', 'sphinx.ext.napoleon', 'autoapi.extension']
include_patterns = ['docs/**', '*.md', 'configs/**/README.md', 'tests/data/golden/README.md',
                    'tools/demo/README.md']
exclude_patterns = ['docs/_redirect', 'docs/requirements.txt', '.*/**']
root_doc = 'docs/index'
#: The page at the root leads to the first page of the documentation.
html_extra_path = ['_redirect']
html_theme = 'sphinx_book_theme'
html_title = f'mmvod_plugins {release}'
html_theme_options = dict(show_navbar_depth=1, show_toc_level=2, navigation_depth=2,
                          collapse_navigation=True)
napoleon_use_ivar = True
myst_heading_anchors = 4
myst_enable_extensions = ['colon_fence']

autoapi_dirs = [str(ROOT / 'mmvod_plugins')]
autoapi_root = 'docs/api'
autoapi_options = ['members', 'show-inheritance']
suppress_warnings = ['autoapi.python_import_resolution']
autoapi_ignore = ['*/.mim/*']
autoapi_add_toctree_entry = False
autoapi_member_order = 'groupwise'
autoapi_python_class_content = 'both'


def link_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Lead links to folders to the README or the API page; where there is neither, keep the text.

    What exists nowhere is left to myst, which warns.
    """
    page = Path(app.env.doc2path(app.env.docname))
    for node in list(doctree.findall(pending_xref)):
        folder = (page.parent / node['reftarget']).resolve()
        if node.get('refdomain') == 'doc' or not folder.is_dir():
            continue
        name = folder.relative_to(ROOT).as_posix()
        known = [doc for doc in (f'{name}/README', f'docs/api/{name}/index')
                 if doc in app.env.found_docs]
        if known:
            node.attributes.update(refdomain='doc', reftarget=known[0], reftargetid=None)
        else:
            node.replace_self(node.children)


def setup(app: Sphinx) -> None:
    """Connect the links."""
    app.connect('doctree-read', link_folders)
