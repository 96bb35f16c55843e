"""Export a video detector to ONNX; the same as ``mmvod export``.

    python tools/deployment/export_onnx.py CONFIG --weights FILE --out FOLDER --shape 720 1280

``docs/deployment.md`` describes it.
"""

import sys

from mmvod_plugins.cli.export import main

if __name__ == '__main__':
    sys.exit(main())
