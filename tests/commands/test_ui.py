"""The MLflow UI as a browser shows it: the columns of the runs, and runs side by side."""

import json
import os
from pathlib import Path

import pytest
import servers
import waiting
from browsers import chromium, text
from invoke import here
from selenium.webdriver.common.by import By

from mnist_exp.tracking.mlflow import view
from mnist_exp.tracking.mlflow.location import resolve
from mnist_exp.tracking.mlflow.store import Store

EXPERIMENT = "1"
HEADERS = {
    "model",
    "optimizer",
    "schedule",
    "augmentation",
    "data",
    "training",
    "experiment",
    "test/accuracy",
    "test/accuracy_low",
    "test/accuracy_high",
    "chosen/val_accuracy",
    "time/fit_seconds",
    "model/parameters",
}
FIRST = ["Run Name", "Created", "chosen/val_accuracy", "test/accuracy", "test/accuracy_low",
         "test/accuracy_high", "data", "model", "sweep/jobs"]  # fmt: skip
NOISE = {"Source", "User", "Models", "Dataset", "Version"}


def make_experiment():
    """Makes a store with an experiment; returns a client, and what reads the experiment."""
    client = Store(resolve(None), "mnist").client
    client.create_experiment("mnist")
    return client, lambda: client.get_experiment_by_name("mnist")


def views(experiment):
    """Returns the saved views of an experiment as MLflow's UI reads them."""
    return [
        json.loads(json.loads(value)["state"])
        for key, value in experiment.tags.items()
        if key.startswith("mlflow.sharedViewState.")
    ]


def test_the_view_is_kept_once():
    client, read = make_experiment()
    for _ in range(2):
        view.prepare(client, read())
        state, seeds = views(read())
    assert state["selectedColumns"] == state["columnOrder"] == list(state["columnWidths"])
    shown = {column.partition("`")[2].rstrip("`") for column in state["selectedColumns"]}
    assert shown > HEADERS
    assert not shown & NOISE
    assert [column.partition("`")[2].rstrip("`") for column in state["columnOrder"][:7]] == [
        "Run Name",
        "chosen/val_accuracy",
        "test/accuracy",
        "test/accuracy_low",
        "test/accuracy_high",
        "data",  # accuracies on different data are not taken for rivals
        "model",
    ]
    assert charts(state) == ["val/accuracy", "val/loss", "train/loss"]
    assert not any("accuracy_low" in column for column in seeds["columnOrder"])  # of one run
    assert seeds["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "mnist_exp.config"}]


def charts(state):
    """Returns what is drawn before a section of charts is opened."""
    open_ones = {s["uuid"] for s in state["compareRunSections"] if s["display"]}
    drawn = [chart for chart in state["compareRunCharts"] if not chart["deleted"]]
    return [chart["displayName"] for chart in drawn if chart["metricSectionId"] in open_ones]


def test_the_view_shows_what_the_newest_sweep_varies():
    client, read = make_experiment()
    identity = read().experiment_id
    jobs = (
        ("old", {"swept/model.dropout": 0.5}),
        ("new", {"swept/training.epochs": 3, "test/loss": 1}),
        ("new", {"swept/training.epochs": 4}),
        ("newest", None),  # it is at work
    )
    for sweep, metrics in jobs:
        tags = {"mnist_exp.sweep_key": "ab", "mnist_exp.sweep": sweep}
        run_id = client.create_run(identity, tags=tags).info.run_id
        for name, value in (metrics or {}).items():
            client.log_metric(run_id, name, value)
        if metrics is not None:
            client.set_terminated(run_id)
        view.prepare(client, read())
    state, _ = views(read())
    swept = [column for column in state["columnOrder"] if "swept/" in column]
    assert swept == ["metrics.`swept/training.epochs`"]
    assert charts(state)[3:] == ["training.epochs"]


def test_an_outdated_view_is_written_anew():
    client, read = make_experiment()
    client.set_experiment_tag(read().experiment_id, view.TAG, "{}")
    page = view.runs_page(resolve(None), "mnist")
    assert page.endswith(f"&viewStateShareKey={view.KEY}")
    assert len(views(read())) == 2


def test_a_view_that_cannot_be_kept_costs_no_page(monkeypatch):
    _, read = make_experiment()
    monkeypatch.setattr(view, "TITLE", "x" * 30_000)  # more than MLflow takes
    page = view.runs_page(resolve(None), "mnist")
    assert page.endswith(f"/experiments/{read().experiment_id}/runs?workflowType=machine_learning")


def test_without_runs_there_is_no_page():
    assert view.runs_page(resolve(None), "mnist") == ""


@pytest.mark.parametrize(
    ("version", "reads"), [("3.17.2", True), ("3.18.0rc1", True), ("4.0", True), ("3.9.1", False)]
)
def test_servers_whose_pages_read_the_view(version, reads):
    assert view.reads_views(version) is reads


@pytest.fixture
def browser():
    with chromium(3600, 1000) as browser:  # the table makes no cells for columns out of sight
        yield browser


def test_a_browser_shows_what_was_chosen_and_what_came_of_it_and_compares_runs(browser):
    sweep = ["-m", "data=digits", "experiment=fast", "model=seed_mlp,mlp,fast_cnn"]
    here("train", *sweep, "sweep.name=nets", check=True)
    [parent, *jobs] = sorted(Store(resolve(None), "mnist").search(), key=lambda run: run.start_time)
    assert (parent.name, len(jobs)) == ("nets", 3)
    with servers.serving(Path.cwd(), "ui") as (_, process):
        process.stdout.readline()
        address = process.stdout.readline().strip()
        browser.get(address)
        eventually(browser, lambda: headers(browser) >= HEADERS)
        assert not headers(browser) & NOISE
        assert first_headers(browser) == FIRST
        row = browser.find_element(By.CSS_SELECTOR, "[role=row][row-index='0']:has([col-id*=jobs])")
        best = f"{parent.metrics['chosen/val_accuracy']:.4f}".rstrip("0")
        assert {best, "3", "digits"} <= set(row.text.split())
        # The jobs of a sweep are folded below it.
        assert not any(run.name in text(browser) for run in jobs)
        browser.find_element(By.CSS_SELECTOR, "[row-index='0'] [role=gridcell] button").click()
        eventually(browser, lambda: all(run.name in text(browser) for run in jobs))

        site = address.partition("/#/")[0]
        ids = json.dumps([run.run_id for run in jobs])
        browser.get(f'{site}/#/compare-runs?runs={ids}&experiments=["{EXPERIMENT}"]')
        eventually(browser, lambda: "test/accuracy" in text(browser))
        for run in jobs:
            assert run.name in text(browser)
            assert f"{run.metrics['test/accuracy']:.3f}".rstrip("0") in text(browser).split()

        environment = {**os.environ, "MLFLOW_TRACKING_URI": site}
        pointer = here("ui", env=environment, check=True)
        assert address in pointer.stdout.split()


def headers(browser):
    """Returns the names above the columns of the table of runs."""
    cells = "[...document.querySelectorAll('[role=columnheader]')]"
    return set(browser.execute_script(f"return {cells}.map(cell => cell.innerText.trim())"))


def first_headers(browser):
    """Returns the names above the columns that a window of 1440 pixels shows, in their order."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('.ag-header-cell')].map(cell => "
        "[cell.getBoundingClientRect().left, cell.getBoundingClientRect().right, cell.innerText])"
    )
    names = [name.strip() for _, right, name in sorted(found) if right <= 1440]
    return list(filter(None, names))


def eventually(browser, holds):
    waiting.until(holds, what=lambda: text(browser))
