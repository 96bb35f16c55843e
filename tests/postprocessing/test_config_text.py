"""Post-processors as a command line names them."""

import pytest

from mmvod_plugins.postprocessing.config_text import parse_post_processor


def test_post_processors_on_the_command_line(tmp_path):
    (tmp_path / 'm.json').write_text('{"a": 1}')
    assert parse_post_processor('SeqNMS') == dict(type='SeqNMS')
    assert parse_post_processor(f"REPP(link_model='{tmp_path}/m.json', x=-0.5)") == dict(
        type='REPP', link_model=dict(a=1), x=-0.5)


@pytest.mark.parametrize('text', ['Seq-NMS', 'SeqNMS(0.5)', 'SeqNMS(x=open("f"))', 'a.b()', '',
                                  'SeqNMS(**{})'])
def test_what_is_no_post_processor(text):
    with pytest.raises(ValueError, match='is not a post-processor'):
        parse_post_processor(text)
