"""README and docs/ are true: commands run, answers are as they are said, tables are conf's."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsers
import documents
import drawn
import pytest
import servers
import waiting
import yaml
from documents import PAGES, README, REPOSITORY
from invoke import python
from projects import copied
from selenium.webdriver import ActionChains, Keys

from examples import understand

sys.path.append(str(REPOSITORY / "scripts"))
from tutorial_answers import as_pattern, without_figures

CONF = REPOSITORY / "conf"
SEARCH = "document.activeElement.shadowRoot"  # of the site's pages, when it is open
TUTORIAL = "docs/tutorial.md"  # it has tests of its own
MOST_BYTES = 6000  # of the README
# What stands in examples beside mnist-exp; what it does is its own affair, or has a test elsewhere.
OTHERS = {"cp", "curl", "docker", "mkdir", "mlflow", "pip", "python", "source"}
COMMANDS = ("bash", "sh", "console")
WITH_COMMANDS = [page for page in PAGES if documents.commands(page, *COMMANDS)]
TO_RUN = [page for page in PAGES if documents.commands(page, "bash")]
ALONE = [page for page in PAGES if page != TUTORIAL]  # whose examples are one story
WITH_PYTHON = [page for page in ALONE if documents.programs(page)]
ANSWERS = [(page, answer) for page in ALONE for answer in documents.answers(page)]
REFUSED = [answer for _, answer in ANSWERS if answer.text.startswith("The config has ")]


@pytest.fixture
def shell(sealed_environment, monkeypatch):
    """Runs a line in bash, where `mnist-exp` is the one under test."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def run(line: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=400, check=False
        )

    return run


def test_pages_have_commands():
    assert len(WITH_COMMANDS) > 10
    assert {README, "docs/training.md", "docs/sweeps.md"} <= set(WITH_COMMANDS)


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_is_understood(page, sealed_environment):
    documents.write_files(page, sealed_environment)
    for line in documents.commands(page, *COMMANDS):
        program = line.split()[0]
        if program == "mnist-exp":
            if not any(line == answer.command for answer in REFUSED):
                understand(line)
        elif program.startswith("scripts/"):
            assert os.access(REPOSITORY / program, os.X_OK), line
        else:
            assert program in OTHERS, line


@pytest.mark.long("every command of README and docs, word for word, one after the other")
@pytest.mark.timeout(1800)  # of 10 commands, each with 400 seconds
@pytest.mark.parametrize("page", TO_RUN)
def test_every_command(page, shell, fast):
    folder = copied(fast, Path.cwd())  # most pages speak of a run that there is
    documents.write_files(page, folder)
    write_pictures(folder)
    for line in documents.commands(page, "bash"):
        if line.startswith("mnist-exp ui"):
            check_ui()
            continue
        done = shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def write_pictures(folder: Path) -> None:
    """Makes the pictures that the examples name."""
    (folder / "scans").mkdir()
    (folder / "scans" / "page.png").write_bytes(drawn.encoded(drawn.line_of([4, 7, 1])))
    (folder / "photo.jpg").write_bytes(drawn.encoded(drawn.line_of([2, 7]), "JPEG"))
    (folder / "digit.png").write_bytes(drawn.encoded(255 - drawn.draw(drawn.STROKES[7])))
    (folder / "drawing.png").write_bytes(drawn.encoded(drawn.draw(drawn.STROKES[7])))


def check_ui() -> None:
    with servers.serving(Path.cwd(), "ui") as (address, process):
        assert "MLflow" in servers.page(address, process)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert f"{address}/#/experiments/1/runs" in stdout


@pytest.mark.parametrize("answer", REFUSED, ids=lambda answer: answer.command)
def test_what_is_refused_is_answered_as_it_is_said(answer, shell):
    done = shell(answer.command)
    assert done.returncode == 2
    assert done.stderr.strip() == answer.text.strip()


@pytest.mark.long("the examples with an answer, figures aside")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", sorted({page for page, _ in ANSWERS}))
def test_what_is_answered_is_what_is_said(page, shell):
    for answer in documents.answers(page):
        if answer not in REFUSED:
            done = shell(answer.command)
            assert done.returncode == 0, f"{answer.command}\n{done.stderr}"
            said = without_figures(done.stdout)
            assert re.fullmatch(as_pattern(answer.text), said), said


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_examples(page, sealed_environment):
    for example in documents.programs(page):
        done = python(example, check=True)
        assert re.fullmatch(r"[0-9a-f]{32} 0\.\d+ cnn\n|2 epochs\n", done.stdout)


def test_the_readme_is_short():
    assert len((REPOSITORY / README).read_bytes()) <= MOST_BYTES


@pytest.mark.parametrize("page", [README, "CONTRIBUTING.md"])
def test_every_link_leads_somewhere(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_every_page_is_linked_in_the_readme_and_stands_in_the_navigation():
    navigation = (REPOSITORY / "zensical.toml").read_text(encoding="utf-8")
    for page in PAGES:
        if page not in (README, "docs/index.md"):
            assert f"]({page})" in PAGES[README], page
            assert f'"{page.removeprefix("docs/")}"' in navigation, page


def test_training_names_every_option():
    for file in [*CONF.glob("*/*.yaml"), *CONF.glob("hydra/launcher/*.yaml")]:
        assert f"`{file.stem}`" in PAGES["docs/training.md"], f"{file.parent.name}={file.stem}"


def test_the_tables_of_options_are_those_of_conf():
    told = list(options_told())
    assert len(told) == len({key for key, _ in told})
    assert dict(told) == dict(options_in_conf())


def options_told() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields (group, option, key) and value, as docs/options.md has them."""
    for part in PAGES["docs/options.md"].split("\n## ")[1:]:
        group = part.partition("\n")[0]
        for (_, *options, _), *rows in documents.tables_of(part):
            for key, *values, _ in rows:
                for option, value in zip(options, values, strict=True):
                    if value:
                        yield (
                            (group, option.strip("`"), key.strip("`")),
                            yaml.safe_load(value.strip("`")),
                        )


def options_in_conf() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the same of the YAML files."""
    for file in [*CONF.glob("*/*.yaml"), *CONF.glob("hydra/launcher/*.yaml")]:
        group = str(file.parent.relative_to(CONF))
        if group != "experiment":
            for key, value in values_of(file):
                if key != "name":
                    yield (group, file.stem, key), shown(value)
    for section, value in values_of(CONF / "config.yaml"):
        if section not in ("hydra", "search"):
            keys = value if isinstance(value, dict) else {"": value}
            for key, inner in keys.items():
                yield ("Keys without a group", "default", f"{section}.{key}".rstrip(".")), inner


def shown(value: Any) -> Any:
    """Returns a value as the tables show it: without addresses."""
    if isinstance(value, list) and str(value).startswith("['http"):
        return "…"
    if isinstance(value, str):
        return re.sub(r"^\$\{oc\.env:(\w+),.*\}$", r"$\1", value)
    return value


def values_of(file: Path) -> Iterator[tuple[str, Any]]:
    """Yields the keys and values of a YAML file, those of options that it builds on first."""
    loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
    for base in loaded.pop("defaults", []):
        if isinstance(base, str) and (other := file.parent / f"{base}.yaml").exists():
            yield from values_of(other)
    yield from loaded.items()


def test_the_table_of_recipes_has_the_figures_of_the_recipes():
    (table,) = (
        table for table in documents.tables_of(PAGES[README]) if "experiment" in table[0][0]
    )
    rows = {row[0].strip("`"): row[1:] for row in table[1:]}
    assert rows.keys() == {file.stem for file in CONF.glob("experiment/*.yaml")}
    for recipe, (_, accuracy, fit, with_avx2) in rows.items():
        head = (CONF / "experiment" / f"{recipe}.yaml").read_text().split("defaults:")[0]
        result, seeds, time, machine = (
            re.search(rf"^# {name} +(.*)$", head, re.MULTILINE)[1]
            for name in ("result", "seeds", "time", "machine")
        )
        *figures, number = re.findall(r"[\d.]+", accuracy)
        assert len(figures) == 3
        assert all(figure in result for figure in figures), recipe
        assert seeds.split()[0] == number
        assert time.startswith(fit.split()[0]), recipe
        row = rf"^\| `{recipe}` \|.*\| {with_avx2.removesuffix(' s')}\b"
        assert not with_avx2 or re.search(row, PAGES["docs/benchmarks.md"], re.MULTILINE), recipe
        assert machine.split("with")[1] in PAGES[README]


@pytest.fixture
def site(tmp_path) -> Path:
    """A copy of what the documentation is built from."""
    folder = tmp_path / "site"
    for name in ("docs", "mnist_exp"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "scripts").mkdir()
    scripts = [f"scripts/{n}.py" for n in ("documentation", "tutorial", "tutorial_answers")]
    for name in (*scripts, "zensical.toml", README):
        shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


def build(site: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, site / "scripts" / "documentation.py"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_is_built_and_opened_as_files_its_search_works(site):
    done = build(site)
    assert done.returncode == 0, done.stdout
    assert done.stdout == f"{len(PAGES)} pages in build/docs\n"  # 404.html for the README
    built = site / "build" / "docs"
    assert "Hydra overrides, such as" in (built / "python-api.html").read_text(encoding="utf-8")
    with browsers.chromium(1440, 900) as browser:
        browser.get((built / "index.html").as_uri())
        ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
        waiting.until(lambda: browser.execute_script(f"return {SEARCH} !== null"))
        ActionChains(browser).send_keys("hyperband").perform()
        waiting.until(
            lambda: "Every option" in browser.execute_script(f"return {SEARCH}.textContent")
        )
        log = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        entry["params"]["request"]["url"]
        for entry in log
        if entry["method"] == "Network.requestWillBeSent"
    }
    assert any(url.endswith("/search.js") for url in asked)
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


BROKEN = {
    "[a page](none.md)": "page does not exist",
    "[a heading](training.md#none)": "anchor does not exist",
}
UNAVAILABLE = {
    "![a picture](images/none.png)": "sweeps.html: images/none.png is not there",
    '<script src="https://example.com/a.js"></script>': (
        "sweeps.html: fetches https://example.com/a.js, from another host"
    ),
}


@pytest.mark.parametrize("faults", [BROKEN, UNAVAILABLE], ids=["links", "resources"])
def test_what_is_broken_is_told(site, faults):
    page = site / "docs" / "sweeps.md"
    page.write_text("\n\n".join([page.read_text(), *faults]))
    done = build(site)
    assert done.returncode == 1
    for said in faults.values():
        assert said in done.stdout
    assert "Traceback" not in done.stdout
