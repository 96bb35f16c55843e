import pytest

from tools.misc.check_links import broken_links, slug


@pytest.mark.parametrize(('heading', 'anchor'), [
    ('Two commands', 'two-commands'),
    ("mmdet's own scripts", 'mmdets-own-scripts'),
    ('`--amp` on a CPU', '--amp-on-a-cpu'),
])
def test_slug(heading, anchor):
    assert slug(heading) == anchor


def test_broken_links_are_found(tmp_path):
    (tmp_path / 'other.md').write_text('# A heading\n')
    page = tmp_path / 'page.md'
    page.write_text('# Here\n[file](other.md) [heading](other.md#a-heading) [own](#here)\n'
                    '[web](https://example.org/x) `[code](none.md)`\n'
                    '[gone](gone.md) [no heading](other.md#none)\n')
    assert broken_links(page) == ['gone.md', 'other.md#none']
