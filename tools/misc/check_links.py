"""Check that the target of every relative link in the Markdown files exists."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {'.venv', '.git', 'build', 'work_dirs', 'demo_output', 'data', '.mim',
           '.pytest_cache'}
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)[^)]*\)')
CODE = re.compile(r'```.*?```|`[^`\n]*`', flags=re.DOTALL)


def slug(heading: str) -> str:
    """The anchor that Markdown renderers give a heading."""
    kept = re.sub(r'[^\w\- ]', '', heading.strip().lower())
    return kept.replace(' ', '-')


def anchors(text: str) -> set[str]:
    """The anchors of all headings of a page."""
    headings = re.findall(r'^#+ +(.+?) *#*$', re.sub(r'```.*?```', '', text, flags=re.DOTALL),
                          flags=re.MULTILINE)
    return {slug(heading) for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The links of a page whose file or heading does not exist."""
    broken = []
    for link in LINK.findall(CODE.sub('', page.read_text())):
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        target = page.parent / name if name else page
        if not target.exists():
            broken.append(link)
        elif anchor and target.suffix == '.md' and anchor not in anchors(target.read_text()):
            broken.append(link)
    return broken


def pages(root: Path) -> list[Path]:
    """Markdown files below a folder, except generated ones."""
    return [page for page in sorted(root.rglob('*.md'))
            if not SKIPPED & set(page.relative_to(root).parts)]


def main() -> None:
    """Print every broken link; fail if there is one."""
    found = pages(ROOT)
    problems = [f'{page.relative_to(ROOT)}: {link}' for page in found
                for link in broken_links(page)]
    print('\n'.join([*problems, f'{len(found)} pages, {len(problems)} broken links']))
    sys.exit(bool(problems))


if __name__ == '__main__':
    main()
