"""What is told of the two LiteRT models, on the terminal and in the README beside them."""

from pathlib import Path
from typing import TYPE_CHECKING

from mnist_exp.core.text import in_markdown
from mnist_exp.models.export.litert import CALIBRATION_IMAGES, FLOAT, INT8, LEVELS, Exported
from mnist_exp.tracking.names import WEIGHTS_TAG

if TYPE_CHECKING:
    from mnist_exp.commands.export.source import Source

_PAGE = """\
# {name}

A classifier of handwritten digits for LiteRT (TensorFlow Lite), trained and exported by mnist_exp.

| file | weights | accuracy on {images} test images of {data} | bytes |
|---|---|---|---|
| `{float_file}` | float32 | {float32} | {float_bytes:,} |
| `{int8_file}` | int8 | {int8} | {int8_bytes:,} |

In brackets the 95 % Wilson interval. The weights and activations of the int8 model are
integers of 8 bits, whose ranges were measured on {calibration} training images.

- In: `pixels`, uint8 [N, 28, 28], 0-255, ink bright. The int8 model takes one image at a time.
- Out: ten probabilities for each image, float32 [N, 10]. Those of the int8 model are uint8: divide
  them by {levels}.
- From: run `{run_id}`, weights with SHA-256
  `{weights}`.

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter  # pip install ai-edge-litert

images = np.load("images.npy")  # uint8 [N, 28, 28]
interpreter = Interpreter("{int8_file}")
interpreter.allocate_tensors()
(pixels,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
for image in images:
    interpreter.set_tensor(pixels["index"], image[None])
    interpreter.invoke()
    print(interpreter.get_tensor(output["index"])[0].argmax())
```
"""


def lines(source: "Source", exported: Exported) -> list[str]:
    """Returns the accuracies in words."""
    images = f"{len(source.splits.test):,} test images"
    return [
        f"{FLOAT}: float32, {exported.float32} of {images}",
        f"{INT8}: int8, {exported.int8}, calibrated with {_calibration(source)} training images",
    ]


def write(source: "Source", exported: Exported, folder: Path) -> None:
    """Writes the README beside the models."""
    page = _PAGE.format(
        name=in_markdown(source.run.name),
        run_id=source.run.run_id,
        weights=source.run.tags.get(WEIGHTS_TAG, "not recorded"),
        data=source.splits.name,
        images=f"{len(source.splits.test):,}",
        calibration=_calibration(source),
        levels=LEVELS,
        float_file=FLOAT,
        int8_file=INT8,
        float32=exported.float32,
        int8=exported.int8,
        float_bytes=(folder / FLOAT).stat().st_size,
        int8_bytes=(folder / INT8).stat().st_size,
    )
    (folder / "README.md").write_text(page, encoding="utf-8")


def _calibration(source: "Source") -> int:
    return min(CALIBRATION_IMAGES, len(source.splits.train))
