"""`mnist_exp.run`: the same as the command, also inside another Hydra application."""

import contextlib
import io
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from invoke import python
from PIL import Image

import mnist_exp
from mnist_exp.core import signals, tensorflow_memory
from mnist_exp.core.errors import RequestError
from mnist_exp.inference import decode
from mnist_exp.tracking.journal.state import salvaged

APPLICATION = """\
import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase
import mnist_exp
from mnist_exp.config.compose import compose
from mnist_exp.config.problems import ConfigError
from mnist_exp.core.errors import RequestError


@hydra.main(version_base="1.3", config_path=None)
def app(cfg):
    state = (GlobalHydra.instance().hydra, VersionBase.instance().getbase())
    outer = HydraConfig.get().runtime.output_dir
    assert compose(["model=mlp"]).config.model.name == "mlp"
    try:
        mnist_exp.run("modle=cnn")
    except ConfigError:
        pass
    else:
        raise AssertionError
    import keras

    called = []
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: called.append((epoch, logs["val_accuracy"]))
    )
    run = mnist_exp.run(
        "data=digits", "training=smoke", "model=seed_mlp", "seed=3", callbacks=[watcher]
    )
    assert called == [(0, run.metrics["val/accuracy"])]
    assert run.config.seed == 3
    assert 0 <= run.metrics["test/accuracy"] <= 1
    assert run.job_dir.parent.name == "outputs"
    assert (run.job_dir / ".hydra" / "overrides.yaml").read_text().count("\\n") == 4
    assert (run.job_dir / ".hydra" / "config.yaml").exists()
    assert (run.job_dir / ".hydra" / "hydra.yaml").exists()
    assert (GlobalHydra.instance().hydra, VersionBase.instance().getbase()) == state
    assert HydraConfig.get().runtime.output_dir == outer
    try:
        mnist_exp.run("data=digits", f"training.threads={run.config.training.threads + 1}")
    except RequestError as error:
        assert "TensorFlow runs in this process already" in str(error)
    else:
        raise AssertionError
    assert list(run.job_dir.parent.glob("[!.]*")) == [run.job_dir]
    print("inner run:", run.run_id)


app()
"""


def test_import_is_light():
    code = "import sys, mnist_exp; assert not {'hydra', 'pydantic', 'numpy'} & set(sys.modules)"
    python(code, fresh=True, check=True)


def test_version_is_known():
    assert mnist_exp.__version__.count(".") == 2
    assert {"run", "__version__"} <= set(dir(mnist_exp))


def test_unknown_attribute_is_refused():
    with pytest.raises(AttributeError, match="walk"):
        _ = mnist_exp.walk


def test_wrong_config_leaves_no_folder():
    with pytest.raises(RequestError, match="Did you mean 'model'"):
        mnist_exp.run("modle=cnn")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "callbacks", "words"),
    [
        ((["seed=1"],), (), r"each a string.*Received: \['seed=1'\]"),
        (("-m", "seed=1,2"), (), "sweeps, are for the command line"),
        ((), [keras.callbacks.TensorBoard()], r"TensorBoard.*mnist-exp ui"),
        ((), [keras.callbacks.LearningRateScheduler(float)], "LearningRateScheduler.*schedule="),
        ((), [keras.callbacks.EarlyStopping], r"keras\.callbacks\.Callback.*Give objects"),
        ((), keras.callbacks.EarlyStopping(), r"a list of callbacks.*callbacks=\["),
        (
            (),
            [keras.callbacks.EarlyStopping(restore_best_weights=True)],
            r"EarlyStopping\(restore_best_weights=True\).*training\.best_weights=true",
        ),
        ((), [keras.callbacks.TerminateOnNaN()], "TerminateOnNaN.*early_stopping_patience"),
        (
            (),
            [keras.callbacks.ModelCheckpoint("best.keras", save_freq=20)],
            r"ModelCheckpoint\(save_freq=20\).*'epoch'",
        ),
        (("search=tpe",), (), "Expected -m with search=tpe"),
        (("data=idx", "data.root=nowhere"), (), "nowhere"),
    ],
    ids=[
        "list",
        "sweep",
        "tensorboard",
        "rate",
        "class",
        "one",
        "best",
        "nan",
        "steps",
        "search",
        "data",
    ],
)
def test_what_a_function_cannot_take_costs_no_run(overrides, callbacks, words):
    with pytest.raises(RequestError, match=words):
        mnist_exp.run(*overrides, callbacks=callbacks)
    assert list(Path.cwd().iterdir()) == []


def test_a_method_that_is_never_called_is_told_of(capsys):
    def fail(*_: object) -> None:
        raise LookupError

    class Own(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            raise LookupError

    watchers = [
        Own(),
        keras.callbacks.LambdaCallback(on_train_batch_end=fail),
        keras.callbacks.ModelCheckpoint("last.keras"),
    ]
    mnist_exp.run("data=digits", "training=smoke", "model=seed_mlp", callbacks=watchers)
    said = [line for line in capsys.readouterr().err.splitlines() if "Warning" in line]
    assert len(said) == 2
    assert "on_test_end of the callback Own will not be called" in said[0]
    assert "on_train_batch_end of the callback LambdaCallback will not" in said[1]
    assert Path("last.keras").exists()


def test_a_policy_that_the_program_has_set_changes_nothing():
    """And what the program has of Keras and TensorFlow is left alone."""
    overrides = ("data=digits", "training=smoke", "model=seed_mlp", "training.precision=float32")

    @tf.custom_gradient
    def doubled(x):
        return x, lambda upstream: 2 * upstream

    random.seed(3)
    drawn = random.random()
    random.seed(3)
    graph = tf.function(doubled)
    graph(tf.constant(1.0))
    alone = mnist_exp.run(*overrides)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        amid = mnist_exp.run(*overrides)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    tensorflow_memory.forget()  # as after each member of an ensemble
    assert amid.metrics["test/loss"] == alone.metrics["test/loss"]
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = graph(x)
    assert tape.gradient(y, x).numpy() == 2
    assert random.random() == drawn


def test_threads_wait_for_each_other():
    own = {1: "mlp", 2: "seed_mlp"}
    with ThreadPoolExecutor(2) as pool:
        overrides = ("data=digits", "training=smoke", "tracking.plots=false")
        calls = {
            seed: pool.submit(mnist_exp.run, *overrides, f"model={name}", f"seed={seed}")
            for seed, name in own.items()
        }
    runs = {seed: call.result() for seed, call in calls.items()}
    for seed, name in own.items():
        state = salvaged(runs[seed].job_dir)
        assert (state.tags["model"], state.start.params["seed"]) == (name, str(seed))
        assert state.start.overrides[-2:] == [f"model={name}", f"seed={seed}"]


@pytest.mark.parametrize("name", ["artifacts", "checkpoints", "members", "log.txt"])
def test_a_folder_with_files_of_ones_own_is_no_job_folder(name):
    file = Path("mine", name, "notes.txt") if "." not in name else Path("mine", name)
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(RequestError, match=f"a job folder without {name}.*and no run"):
        mnist_exp.run("data=digits", "training=smoke", "model=seed_mlp", "hydra.run.dir=mine")
    assert file.read_text() == "mine"
    assert not Path("mine", ".hydra").exists()


def test_a_program_gets_tensorflow_as_the_command_does():
    code = """
import mnist_exp
from mnist_exp.config.compose import compose
from mnist_exp.runs import environment
environment.preflight(compose(["data=digits"]).config)
import json
from mnist_exp.core import numerics, processor
print(json.dumps([numerics.settings(ours=False), "avx2" in processor.flags()]))
"""
    done = python(code, fresh=True, check=True)
    settings, has_avx2 = json.loads(done.stdout)
    assert ("TF_ENABLE_ONEDNN_OPTS" in settings) == has_avx2
    assert done.stderr == ""


def test_a_program_keeps_its_warnings_of_huge_images(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = io.BytesIO()
    Image.new("L", (12, 12)).save(content, "PNG")
    decode(content.getvalue(), "x")
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(content)


def test_what_a_callback_raises_is_its_own():
    def fail(epoch, logs):
        del epoch, logs
        raise LookupError("of the callback")

    with pytest.raises(LookupError, match="of the callback"):
        mnist_exp.run(
            "data=digits",
            "training=smoke",
            "model=seed_mlp",
            callbacks=[
                keras.callbacks.ProgbarLogger(),
                keras.callbacks.LambdaCallback(on_epoch_end=fail),
            ],
        )


def cut_off_in_c():
    raise SystemError("returned a result with an exception set") from KeyboardInterrupt()


def cut_off_and_swallowed():
    with contextlib.suppress(BaseException):
        signals.stop(KeyboardInterrupt)
    raise TypeError("(None, 784)")


def swallowed():
    with contextlib.suppress(BaseException):
        signals.stop(KeyboardInterrupt)


@pytest.mark.parametrize("stop", [cut_off_in_c, cut_off_and_swallowed, swallowed])
def test_a_stop_that_a_library_makes_an_error_of_or_swallows_stops_the_run(stop, monkeypatch):
    monkeypatch.setattr(signals, "_stopped_by", None)
    stopping = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stop())
    with pytest.raises(KeyboardInterrupt):
        mnist_exp.run("data=digits", "training=smoke", "model=seed_mlp", callbacks=[stopping])
    [job_dir] = Path("outputs").glob("[!.]*")
    assert salvaged(job_dir).outcome == "killed"


def test_runs_inside_another_hydra_application():
    Path("app.py").write_text(APPLICATION)
    # A file, as Hydra has it: it looks at the frame that calls it.
    program = "import runpy; runpy.run_path('app.py', run_name='__main__')"
    result = python(program, "hydra.run.dir=outer", check=True)
    assert "inner run:" in result.stdout
