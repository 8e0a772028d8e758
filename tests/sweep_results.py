"""Results of sweeps that never ran, for the tests of what is said of them."""

import io
import math
import random

from rich.console import Console

from mnist_exp.sweeps.results import report
from mnist_exp.sweeps.results.result import JobResult

FIXED = ["experiment=fast", "training.epochs=3", "search=tpe", "hydra/launcher=parallel"]


def job(number, overrides=(), value=None, *, seed=0, outcome="finished", seconds=10.0, **fields):
    """Returns the result of a job that ended, one after the other."""
    start = 1_700_000_000_000 + 20_000 * number
    metrics = {}
    if value is not None:
        metrics = {"val/accuracy": value - 0.0002, "chosen/val_accuracy": value}
        metrics["time/total_seconds"] = seconds
        if outcome == "finished":
            metrics["test/accuracy"] = value + 0.001
    plain = {
        "number": number,
        "key": f"{number:064x}",
        "overrides": (*overrides, f"seed={seed}"),
        "params": {"seed": str(seed), "data.validation_images": "5000", "model.dropout": "0.25"},
        "outcome": outcome,
        "run_id": f"{number:032x}",
        "run_name": f"cnn-{number:06}",
        "metrics": metrics,
        "epochs": dict.fromkeys((1, 2, 3), value) if value is not None else {},
        "reason": "",
        "start_time": start,
        "end_time": start + round(1000 * seconds),
        "trial": None,
    }
    return JobResult(**(plain | fields))


def mixed(count, *, models=("mlp", "cnn", "deep_cnn"), diverging=True, seed=0):
    """Returns a random search over a group, a logarithmic, a linear and a whole number."""
    draw = random.Random(seed)
    results = []
    for number in range(count):
        model = draw.choice(models)
        rate, dropout = 10 ** draw.uniform(-4, -0.5), draw.uniform(0, 0.5)
        overrides = [
            f"model={model}",
            f"optimizer.learning_rate={rate!r}",
            f"training.batch_size={draw.choice([32, 64, 128, 256])}",
            f"model.dropout={dropout!r}",
        ]
        value = 0.985 - 0.006 * abs(math.log10(rate) + 2.5) + 0.002 * models.index(model)
        value += draw.gauss(0, 0.0003)
        if diverging and rate > 0.15:
            value = 0.1135
        results.append(job(number, overrides, value, trial=number, seconds=draw.uniform(8, 20)))
    return results


def over_seeds():
    """Returns a grid of four configs over three seeds, in which some jobs failed."""
    draw = random.Random(1)
    configs = [(model, rate) for model in ("mlp", "cnn") for rate in ("0.01", "0.001")]
    results = []
    for place, (model, rate) in enumerate(configs):
        for seed in range(3):
            overrides = [f"model={model}", f"optimizer.learning_rate={rate}"]
            value = 0.98 + 0.002 * place + draw.gauss(0, 0.0005)
            results.append(job(3 * place + seed, overrides, value, seed=seed))
    lost = "Expected a finite loss. Received: nan in epoch 1. Lower optimizer.learning_rate."
    results[4] = job(4, ["model=mlp", "optimizer.learning_rate=0.001"], seed=1, outcome="killed")
    wild = ["model=[a|b]", "optimizer.learning_rate=10"]
    results.append(job(12, wild, outcome="failed", reason=lost))
    slow = ["model=mlp", "optimizer.learning_rate=1e-05"]
    results.append(job(13, slow, 0.91, outcome="pruned", seconds=3.0))
    return results


def markdown():
    """Returns the golden ranking."""
    return report.markdown(over_seeds(), FIXED)


def shown(results, fixed=FIXED, width=80):
    """Returns what a terminal shows."""
    text = io.StringIO()
    report.show(results, fixed, Console(file=text, width=width))
    return text.getvalue()
