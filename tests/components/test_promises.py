"""What is proven of components of a user's own before a run has them."""

from pathlib import Path

from invoke import mnist_exp
from own_components import RESNET

# Each breaks one promise: group -> name -> the function, and what is said of it.
BROKEN = {
    ("model", "unseeded"): (
        """
class Noise(keras.layers.Layer):
    def call(self, x, training=None):
        return x + tf.random.normal(tf.shape(x), dtype=x.dtype) if training else x
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), Noise(),
                         keras.layers.Dense(10)])
""",
        "other weights each time",
    ),
    ("model", "drawn"): (
        """
kernel = keras.initializers.Constant(np.random.normal(size=(784, 10)))
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(),
                         keras.layers.Dense(10, kernel_initializer=kernel)])
""",
        "first weights are others each time",
    ),
    ("model", "nine"): (
        """
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(),
                         keras.layers.Dense(9)])
""",
        "from (None, 28, 28, 1) to (None, 9)",
    ),
    ("model", "certain"): (
        """
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(),
                         keras.layers.Dense(10, activation="softmax")])
""",
        "leave its softmax out",
    ),
    ("model", "subclassed"): (
        """
class Own(keras.Model):
    def call(self, x):
        return x
return Own()
""",
        "it is Own: build a functional or a Sequential model that begins with keras.Input((28, 28",
    ),
    ("model", "custom"): (
        """
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), Twice(),
                         keras.layers.Dense(10)])
""",
        "cannot be loaded without this code",
    ),
    ("augmentation", "forgetful"): (
        "return lambda images, seed: images * tf.random.uniform([])",
        "other images for the same seed",
    ),
    ("augmentation", "narrow"): (
        "return lambda images, seed: images[:, :20]",
        "not float32 [16, 28, 28, 1]",
    ),
    ("augmentation", "bright"): (
        "return lambda images, seed: images / (images - images)",
        "it gives images that are not finite",
    ),
    ("augmentation", "mixing"): (
        "return lambda images, targets, seed: (images, targets[:, :1])",
        "it gives float32 [16, 1] as targets, not float32 [16, 10]",
    ),
    ("augmentation", "lonely"): (
        "return lambda images, targets, seed: images",
        "it gives no pair of images and targets",
    ),
    ("schedule", "halves"): ("return lambda done: 1.0 if done < 0.5 else 0.1", "by tf.where"),
    ("loss", "endless"): (
        "return lambda targets, logits: tf.cast(tf.reduce_sum(targets * logits, 1), 'float64') / 0",
        "not finite",
    ),
    ("loss", "mean"): (
        "return lambda targets, logits: tf.reduce_mean(tf.square(targets - logits))",
        "it gives [] for 16 images, not [16]",
    ),
    ("metric", "moody"): (
        "import random; return random.random()",
        "for the same predictions",
    ),
    ("metric", "silent"): ("return None", "silent raises TypeError"),
    ("optimizer", "absent"): ("return keras.optimizers.Nothing()", "it raises AttributeError"),
    ("optimizer", "decaying"): (
        "return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100))",
        "its learning rate is CosineDecay: give it the peak",
    ),
    ("optimizer", "averaging"): (
        "return keras.optimizers.Adam(use_ema=True)",
        "choose training.weight_averaging",
    ),
}
# Valid, however odd.
WHOLE = {
    ("model", "ones"): """
x = keras.layers.Normalization(mean=0.13, variance=0.09)(image := keras.Input((28, 28, 1)))
x = keras.layers.Dense(8, kernel_initializer="ones")(keras.layers.Flatten()(x))
x = keras.layers.BatchNormalization(scale=False)(x)
return keras.Model(image, keras.layers.Dense(10, kernel_initializer="ones")(x))
""",
    ("augmentation", "halves"): """
return lambda images, seed: tf.where(
    tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5, 255 - images, images)
""",
}


def functions(bodies) -> str:
    """A file of components, each without arguments."""
    lines = ["from mnist_exp.extend import augmentation, loss, metric, model, optimizer, schedule"]
    for (group, name), body in bodies.items():
        if group == "metric":
            lines += [f"@metric({name!r})", f"def {name}(probabilities, labels): {body}"]
            continue
        mixes = ", mixes=True" if "images, targets, seed" in body else ""
        lines += [f"@{group}({name!r}{mixes})", f"def {name}():"]
        body_lines = ["import keras, numpy as np, tensorflow as tf", *body.strip().splitlines()]
        lines += [f"    {line}" for line in body_lines]
    return "\n".join(lines) + "\n"


def written(folder: Path, bodies) -> Path:
    """A file of components, with their YAML beside it."""
    for group, name in bodies:
        if group == "metric":
            continue
        (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
        (folder / "conf" / group / f"{name}.yaml").write_text(f"name: {name}\n")
    file = folder / "own.py"
    file.write_text(functions(bodies))
    return file


def test_promises_that_are_broken_are_told_and_odd_components_keep_them(project):
    (project / "bodies").mkdir()
    bodies = {**{key: body for key, (body, _) in BROKEN.items()}, **WHOLE}
    file = written(project / "bodies", bodies)
    done = mnist_exp(project, "check", str(file))
    assert done.returncode == 1
    said, key = {}, ()
    for line in done.stdout.splitlines():
        if not line.startswith("  "):
            key = tuple(line.split("="))
        said.setdefault(key, []).append(line)
    for name in ("moody", "silent"):
        said["metric", name] = said.pop(("metrics", f"[{name}]"))
    assert said.keys() == bodies.keys()
    for key, (_, words) in BROKEN.items():
        assert words in said[key][-1], said[key]
        assert said[key][-1].startswith("  broken: ")
    for key in WHOLE:
        assert not any("broken" in line for line in said[key])


def test_what_was_not_tried_is_no_success(project, sealed_environment):
    (project / "empty").mkdir()
    loss = "return lambda targets, logits: tf.reduce_mean(tf.square(targets - logits), axis=1)"
    file = written(project / "empty", {("loss", "squares"): loss})
    done = mnist_exp(project / "empty", "check", "own.py", check=True)
    assert done.stdout.startswith("loss=squares\n  kept: ")
    proofs = Path(sealed_environment, "../home/.cache/mnist_exp/proofs")
    assert len(list(proofs.iterdir())) == 1  # a run need not try it again
    based = file.parent / "conf" / "loss" / "based.yaml"
    (file.parent / "conf" / "loss" / "squares.yaml").rename(based)
    based.write_text("defaults:\n  - cross_entropy\n")
    none = mnist_exp(project / "empty", "check", "own.py")
    assert none.returncode == 1
    assert none.stdout.startswith("loss squares\n  not tried: write conf/loss/squares.yaml with ")
    (file.parent / "conf" / "loss" / "more.yaml").write_text("name: squares\nmore: 1\n")
    more = mnist_exp(project / "empty", "check", "own.py")
    assert more.returncode == 1
    assert more.stdout.startswith("loss=more\n  not tried: loss.more: Expected")
    wrong = mnist_exp(project / "empty", "check", "own.py", "model.x=1")
    assert wrong.returncode == 2
    assert "Expected overrides of what is tried, loss. Received: model.x=1." in wrong.stderr


def test_a_broken_promise_keeps_a_run_from_beginning(project):
    file = written(project, {("augmentation", "narrow"): BROKEN["augmentation", "narrow"][0]})
    own = ("--components", str(file), "augmentation=narrow")
    done = mnist_exp(project, "train", *RESNET[:-2], *own)
    assert done.returncode == 2
    assert "an augmentation is a function of its seed" in done.stderr
    assert not list((project / "outputs").glob("*"))
    sweep = mnist_exp(project, "train", "-m", *RESNET[:-2], *own, "seed=0,1", "model=mlp,seed_mlp")
    assert sweep.returncode == 2
    assert sweep.stderr.count("Trying the components of your own, once") == 1
    assert "an augmentation is a function of its seed" in sweep.stderr
    assert "Traceback" not in sweep.stderr
    assert not list((project / "outputs").glob("*"))
    assert not (project / "mlflow.db").exists()
