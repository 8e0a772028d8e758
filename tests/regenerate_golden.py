"""Writes the golden files anew: `python tests/regenerate_golden.py`; then look at `git diff`."""

import os

from golden_files import contents


def main() -> None:
    """Writes them all."""
    for name in ("MNIST_EXP_DATA", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)
    for path, text in contents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
