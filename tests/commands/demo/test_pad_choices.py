"""What runs are called among those that may read beside the first."""

from types import SimpleNamespace

from mnist_exp.commands.demo.cards import NOBODY
from mnist_exp.commands.demo.demo import _named


def test_a_name_that_is_not_the_only_one_has_its_id():
    names = ["cnn", "cnn", "mlp", NOBODY]
    runs = [SimpleNamespace(name=name, run_id=f"{n}" * 32) for n, name in enumerate(names)]
    named = [name.partition(" (")[0] for name in _named(runs)]
    assert named == names
    assert [name for name in _named(runs) if "(" not in name] == ["mlp"]
