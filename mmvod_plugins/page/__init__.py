"""A static page that shows predictions beside the truth: opens from the disk, needs no network.

``docs/prediction_page.md`` describes it.
"""

from .content import PageContent, PageVideo, Run, frames_only
from .reference_file import load_references, policy_references, save_references
from .verdicts import VERDICTS, judge
from .writing import check_page, write_page

__all__ = ['VERDICTS', 'PageContent', 'PageVideo', 'Run', 'check_page', 'frames_only', 'judge',
           'load_references', 'policy_references', 'save_references', 'write_page']
