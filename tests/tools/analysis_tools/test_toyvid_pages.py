"""Numbers of the ToyVID benchmark on the pages."""

import pytest
from toyvid_pages import COLUMNS, filled, main

EMPTY = dict.fromkeys([*COLUMNS, 'spread', 'gain_spread', 'control'], '')
ROWS = {
    'base': EMPTY | dict(method='base', runs='1', AP50='68.76', clean='98.04'),
    'control': EMPTY | dict(method='control', runs='2', AP50='75.0', spread='0.6'),
    'mega': EMPTY | dict(method='mega', runs='2', control='control', AP50='82.27', spread='1.16',
                         gain='7.28', gain_spread='0.7'),
    'later': EMPTY | dict(method='later', runs='0', control='control'),
}


@pytest.mark.parametrize(('mark', 'content'), [
    ('mega', 'AP50 82.3 ± 1.2, its control 75.0 ± 0.6: +7.3 ± 0.7 (2 seeds)'),
    ('base', 'AP50 68.8 (1 run)'), ('later', 'not run yet'), ('base clean', '98.0'),
    ('mega gain', '+7.3 ± 0.7'), ('later AP50', ''),
    ('mega runs', '2'),
])
def test_a_comment_gets_its_clause_or_number(mark, content):
    page = f'See <!-- toyvid: {mark} -->old\nnumbers<!-- end -->, <!-- other -->.'
    new = filled(page, ROWS)
    assert new == f'See <!-- toyvid: {mark} -->{content}<!-- end -->, <!-- other -->.'
    assert filled(new, ROWS) == new


def test_a_table_has_all_rows_or_those_that_are_named():
    lines = filled('<!-- toyvid: table --><!-- end -->', ROWS).splitlines()
    assert lines[3] == '| base | 1 | 68.8 |  |  |  | 98.0 |  |  |  |  |  |'
    assert len(lines) == 8
    lines = filled('<!-- toyvid: table mega, later --><!-- end -->', ROWS).splitlines()
    assert [line.split(' | ')[0] for line in lines[3:-1]] == ['| mega', '| later']


def test_rows_that_start_early_have_a_table_of_their_own():
    rows = ROWS | {'mega-early': ROWS['mega'], 'early-stage': ROWS['mega']}
    lines = filled('<!-- toyvid: table --><!-- end -->', rows).splitlines()
    assert [line.split(' | ')[0] for line in lines[3:-1]] == [
        '| base', '| control', '| mega', '| later', '| early-stage']
    lines = filled('<!-- toyvid: table early --><!-- end -->', rows).splitlines()
    assert [line.split(' | ')[0] for line in lines[3:-1]] == ['| mega-early']


def test_an_unknown_row_is_named_with_its_page():
    with pytest.raises(KeyError, match=r"docs/x.md: 'megaa AP50' names 'megaa'"):
        filled('<!-- toyvid: megaa AP50 --><!-- end -->', ROWS, 'docs/x.md')


def test_the_pages_have_the_numbers_of_the_file():
    assert main(['--check']) == 0, 'run tools/analysis_tools/toyvid_pages.py'
