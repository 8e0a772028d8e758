"""`mnist-exp demo`: finds the runs that read, then serves the page."""

import importlib.util
from collections import Counter
from functools import lru_cache, partial

from mnist_exp.commands.demo import server
from mnist_exp.commands.demo.cards import NOBODY
from mnist_exp.commands.demo.reader import Reader
from mnist_exp.commands.sockets import address, is_loopback, listen
from mnist_exp.core.errors import RequestError
from mnist_exp.core.terminal import say
from mnist_exp.inference.drawings import FOLDER
from mnist_exp.runs.recognizer import caption, recognizer
from mnist_exp.tracking.mlflow.store import answering
from mnist_exp.tracking.read.runs import Found, find
from mnist_exp.tracking.records import RunRecord

_MOST_OTHERS = 50  # to choose from
_MOST_SEEN = 500  # of the newest runs, to find them
_MOST_LOADED = 4  # of them in memory
_ID_CHARACTERS = 8


def demo(selector: str, beside: str | None, host: str, port: int) -> None:
    """Serves the drawing pad until Ctrl-C.

    Args:
        selector: the run that reads.
        beside: a run that reads the same drawings; None for none.
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        RequestError: Gradio is not installed, the address is not to be had, or there is no such
            run, or it has no model.
        ExperimentError: a model cannot be loaded.
    """
    _require_gradio()
    with listen(host, port, "demo") as listener, server.prepared():
        chosen = find(selector)
        second = None if beside is None else find(beside).record
        runs = _named(_others(chosen, second))
        reader = _reader(chosen.record, chosen.record.name, chosen.store.uri)
        load = lru_cache(_MOST_LOADED)(lambda name: _reader(runs[name], name, chosen.store.uri))
        first = next(iter(runs)) if second is not None else None
        if first is not None:
            load(first)  # tells now what is wrong with it
        _announce(chosen.record, host, port)
        from mnist_exp.commands.demo.page import look, page

        others = {name: partial(load, name) for name in runs}
        shown = page(reader, others, beside=first or NOBODY, drawings=FOLDER)
        server.serve(shown, look(), listener, host)


def _require_gradio() -> None:
    if importlib.util.find_spec("gradio") is None:
        raise RequestError(
            "Expected gradio, which the drawing pad needs. Received: an installation without it. "
            "Add it with `pip install 'mnist-exp[demo]'`."
        )


def _others(chosen: Found, second: RunRecord | None) -> list[RunRecord]:
    """Returns runs that may read beside the chosen one; first the one that was asked for."""
    first = [] if second is None else [second]
    with answering(chosen.experiment.uri):
        newest = chosen.experiment.runs(_MOST_SEEN)
    shown = {chosen.record.run_id, *(run.run_id for run in first)}
    others = [
        run
        for run in newest
        if run.outcome == "finished" and not run.is_member and run.run_id not in shown
    ]
    return first + others[:_MOST_OTHERS]


def _named(runs: list[RunRecord]) -> dict[str, RunRecord]:
    """Returns name -> run, with the beginning of the id where a name is not the only one."""
    times = Counter([NOBODY, *(run.name for run in runs)])
    return {
        run.name if times[run.name] == 1 else f"{run.name} ({run.run_id[:_ID_CHARACTERS]})": run
        for run in runs
    }


def _reader(run: RunRecord, name: str, uri: str) -> Reader:
    return Reader(name, caption(run), recognizer(run, uri))


def _announce(run: RunRecord, host: str, port: int) -> None:
    say(f"The drawing pad, read by {run.name} (Ctrl-C ends it):")
    say(f"  {address(host, port)}")
    if not is_loopback(host):
        say(
            f"Anybody who reaches {host} over the network can draw, open images and file drawings "
            f"in {FOLDER}/ here: there is no password, and no encryption.",
            error=True,
        )
