"""Methods are told from names, in cascades too."""

import pytest

from mmvod_plugins.checkpoints.methods import AGGREGATOR, method_of


@pytest.mark.parametrize('stage', ['', '0.', '2.'])
@pytest.mark.parametrize(('key', 'method'), [
    ('attentions.1.query.weight', 'SELSA'), ('local_relations.0.key.weight', 'MEGA'),
    ('advanced_relations.0.key.weight', 'RDN'), ('base_relations.0.key.weight', 'RDN-base'),
    ('project.weight', 'another temporal method'),
])
def test_a_method_is_told_from_its_aggregator(stage, key, method):
    assert method_of({f'{AGGREGATOR}{stage}{key}', 'detector.backbone.conv1.weight'}) == method
    assert method_of({'detector.backbone.conv1.weight'}) is None
