"""Components of a user's own, for tests: the examples, and options that train them little."""

from pathlib import Path

from projects import SMOKE

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
RESNET = ("data=digits", *SMOKE, "model=resnet", "model.widths=[4,8]")
