"""Writing of an annotation file that the validator accepts."""

import sys
from pathlib import Path
from typing import Any

from coco_vid import write_json
from coco_vid_rules import check_coco_vid
from problems import report


def write_checked(path: Path, content: dict[str, Any], *, write_faulty: bool,
                  remedy: str) -> bool:
    """Write a COCO-VID json unless the validator finds errors in it; say which, and what it has.

    Args:
        path: The json.
        content: What to write.
        write_faulty: Write it with errors, too.
        remedy: What to correct in the input.

    Returns:
        Whether the content is without errors.
    """
    errors = [item for item in check_coco_vid(content) if item.is_error]
    for line in report(errors) if errors else ():
        print(line, file=sys.stderr)
    if errors and not write_faulty:
        print(f'error: the validator refuses what {path.name} would be (see above), and it is not '
              f'written; {remedy}, or pass --write-faulty', file=sys.stderr)
        return False
    write_json(path, content)
    numbers = ', '.join(f'{len(content[key])} {key}' for key in ('videos', 'images', 'annotations')
                        if key in content)
    print(f'{path}: {numbers}')
    return not errors
