"""Write a static page that shows predictions beside the truth; the same as ``mmvod page``.

    python tools/analysis_tools/prediction_page.py single=a.npz mega=b.npz \
        --annotations VAL.json --images FOLDER --out page

``docs/prediction_page.md`` describes it.
"""

import sys

from mmvod_plugins.cli.page import main

if __name__ == '__main__':
    sys.exit(main())
