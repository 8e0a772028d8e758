"""Which keys of a config two runs of the same experiment share."""

import re

import pytest

from mnist_exp.config.compose import compose
from mnist_exp.config.identity import NOT_THE_RESULT, determines
from mnist_exp.config.record import group, to_record


@pytest.mark.parametrize("key", ["seed", "data", "data.name", "model.units", "training"])
def test_what_can_change_the_result(key):
    assert determines(key)


@pytest.mark.parametrize("key", ["description", "tracking", "sweep.name", "data.root"])
def test_what_cannot(key):
    assert not determines(key)


def test_every_exception_is_a_key_or_a_section():
    known = set(to_record(compose([]).config))
    assert known >= NOT_THE_RESULT.keys()


def test_the_seeds_of_a_config_are_one_group():
    def group_of(*overrides):
        return group(compose(overrides).config)

    name = group_of("experiment=fast")
    assert re.fullmatch("cnn-[0-9a-f]{8}", name)
    assert group_of("experiment=fast", "seed=7", "data.split_seed=1", "training.threads=1") == name
    assert group_of("experiment=fast", "metrics=[top_2]") == name
    assert group_of("experiment=fast", "optimizer.learning_rate=0.02") != name
