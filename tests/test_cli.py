"""The command line as a user meets it: help, errors, exit codes, imports, what is left behind."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import servers
from invoke import here, python, start
from projects import SMALL

from examples import understand
from mnist_exp import cli
from mnist_exp.data import mnist


def command(*arguments, **environment):
    """Runs the real command in the test's folder."""
    return here(*arguments, env={**os.environ, **environment})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["train", "--help"], ["train", "-h"], ["completion", "-h"]]
)
def test_help_fits_one_screen(arguments):
    result = command(*arguments)
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert result.stderr == ""
    assert lines[0].startswith("Usage: mnist-exp")
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80


def test_help_names_every_verb_and_exit_code():
    page = command("--help").stdout
    for verb in cli.cli.commands:
        assert f"\n  {verb} " in page
    for code in ("0", "1", "2", "3, 4", "129", "130", "143"):
        assert f" {code} " in page


def test_train_help_has_five_examples_that_compose():
    lines = [line.strip() for line in command("train", "--help").stdout.splitlines()]
    examples = [line for line in lines if line.startswith("mnist-exp train ")]
    assert len(examples) == 5
    for example in examples:
        understand(example.partition("   ")[0])


@pytest.mark.parametrize("verb", cli.cli.commands)
def test_every_verb_explains_itself(verb):
    result = command(verb, "--help")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) > 3


def test_version():
    assert command("--version").stdout.startswith("mnist-exp ")


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import io, sys\n"
        "from contextlib import redirect_stderr, redirect_stdout\n"
        "from mnist_exp import cli\n"
        "with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):\n"
        "    assert cli.execute(['--help']) == 0\n"
        "    for verb in cli.cli.commands:\n"
        "        assert cli.execute([verb, '--help']) == 0, verb\n"
        "    assert 'hydra' not in sys.modules\n"
        "    assert cli.execute(['train', '--cfg', 'job']) == 0\n"
        "    assert 'pydantic' not in sys.modules\n"
        "    assert cli.execute(['train', 'modle=3']) == 2\n"
        "    assert cli.execute(['runs']) == 0\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    python(code, fresh=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tarin"], "Did you mean 'train'?"),
        (["model=mlp", "seed=1"], "Write `mnist-exp train model=mlp seed=1`"),
        (["model=mlp", "train"], "Write `mnist-exp train model=mlp`"),
        (["-m", "model=mlp,cnn"], "Write `mnist-exp train -m model=mlp,cnn`"),
        (["--runs"], "Write `mnist-exp runs`"),
        (["train", "modle=cnn"], "Did you mean 'model'?"),
        (["train", "tracking.uri=htp://127.0.0.1:5000"], "Did you mean 'http'?"),
        (["train", "seed=1", "-m", "model=cnn,mlpp"], "Did you mean 'mlp'?"),
        (["train", "hydra.mode=MULTIRUN", "seed=0,-1"], "seed: Expected"),
        (["train", "--cfg", "job", "modle=cnn"], "Did you mean 'model'?"),
        (["train", "--cfg", "job", "model=ccn"], "Did you mean 'cnn'?"),
        (["train", "--cfg", "job", "experiment=fastt"], "Did you mean 'fast'?"),
        (["train", "--config-dir", "nowhere"], "--config-dir"),
        (["train", "--config-name", "nothing"], "nothing"),
        (["train", "--experimental-rerun", "config.pickle"], "mnist-exp resume"),
        (["train", "--cfg", "job", "--info", "config"], "Only one of"),
        (["train", "--cfg", "job", "--dry-run"], "Expected -m, and a sweeper that plans"),
        (["train", "--dry-run"], "Expected -m, and a sweeper that plans"),
        (["train", "--no-such-flag"], "--no-such-flag"),
        (["train", "--model", "mlp"], "Did you mean 'model'? Overrides have no dashes."),
        (["train", "--experiment=fast"], "Did you mean 'experiment'? Overrides have no dashes."),
        (["train", "-model=mlp"], "Did you mean 'model'? Overrides have no dashes."),
        (["train", "-c=jobs"], "invalid choice"),
        (["train", "--dryrun"], "Did you mean '--dry-run'?"),
        (["train", "--cfg", "jobs"], "invalid choice: 'jobs'"),
        (["train", "--cfg"], "Expected overrides like KEY=VALUE, and Hydra's flags."),
        (["train", "--package", "model"], "Expected --cfg job, hydra or all"),
        (["train", "--resolve"], "Expected --cfg job, hydra or all"),
        (["train", "--cfg", "job", "--package", "modle"], "'modle' not found"),
        (["train", "--config-dir="], "--config-dir"),
        (["train", "--config-name", "my/mine.yaml"], "chosen with experiment=NAME"),
        (["train", "hydra.run.dir="], "hydra.run.dir: Expected a folder"),
        (
            ["--config-dir", "own", "train", "seed=1"],
            "Write `mnist-exp train --config-dir own seed=1`",
        ),
        (["--verson"], "--version"),
        (["sync", "--to", "nosuch"], "Expected --to to name a database or a server"),
        (["sync", "--to", "htp://host"], "Expected --to to begin with"),
        (["resume"], "RUN"),
        (["runs", "--limit", "many"], "--limit"),
        (["compare", "--markdown", "--csv"], "Expected --markdown or --csv. Received: both."),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_request_gets_one_message_and_leaves_nothing(arguments, words):
    result = command(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("what", ["job", "hydra"])
def test_a_broken_yaml_file_is_named_where_the_config_is_asked_for(what, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.yaml").write_text("name: mlp\n  dropout: [\n")
    result = command("train", "--config-dir", str(tmp_path), "model=broken", "--cfg", what)
    assert result.returncode == 2
    assert "broken.yaml is no YAML in line 2, 'dropout: [': " in result.stderr


def test_folder_without_idx_files_costs_no_run(tmp_path):
    result = command("train", *SMALL[1:], "data=idx", f"data.root={tmp_path}")
    assert result.returncode == 2
    assert "Expected exactly one IDX file with train-images in its name" in result.stderr
    assert list(Path.cwd().iterdir()) == []


def test_debugging_shows_the_traceback():
    result = command("train", "modle=cnn", MNIST_EXP_DEBUG="1")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_defect_is_told_as_one():
    code = (
        "from mnist_exp import cli\n"
        "cli.cli.command('break')(lambda: 1 // 0)\n"
        "import sys; sys.argv = ['mnist-exp', 'break']; cli.main()"
    )
    for debug, traceback in (("0", False), ("1", True)):
        result = python(code, env={**os.environ, "MNIST_EXP_DEBUG": debug}, fresh=True)
        assert result.returncode == 1
        assert ("Traceback" in result.stderr) is traceback
        assert ("This is a defect of mnist-exp" in result.stderr) is not traceback


def test_a_full_disk_is_no_defect():
    code = (
        "import errno, os\n"
        "from mnist_exp import cli\n"
        "def fill(): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "cli.cli.command('fill')(fill)\n"
        "import sys; sys.argv = ['mnist-exp', 'fill']; cli.main()"
    )
    result = python(code)
    assert result.returncode == 1
    words = "Expected room to write. Received: No space left on device. Make"
    assert result.stderr.startswith(words)


def test_hydra_flags_work():
    assert "name: deep_cnn" in command("train", "model=deep_cnn", "--cfg", "job").stdout
    assert "seed: 4\n" in command("train", "--cfg", "job", "seed=4").stdout
    part = command("train", "--cfg", "job", "--package", "optimizer", "optimizer=sgd").stdout
    assert part.startswith("# @package optimizer\nname: sgd\n")
    resolved = command("train", "--cfg", "job", "--resolve", MLFLOW_EXPERIMENT_NAME="mine").stdout
    assert "experiment: mine" in resolved
    assert "experiment/fast" in command("train", "--info", "defaults", "experiment=fast").stdout
    assert "Hydra" in command("train", "--hydra-help").stdout
    assert list(Path.cwd().iterdir()) == []


def test_reader_that_leaves_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    for unbuffered in ("", "1"):
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        result = here("--help", stdout=writer, env=environment, fresh=True)
        assert (result.returncode, result.stderr) == (141, "")
    os.close(writer)


def test_a_shell_may_have_closed_what_is_written_to():
    command = f"{shlex.quote(sys.executable)} -m mnist_exp"
    for line, code in (("runs >&- 2>&-", 0), ("evaluate nope 2>&-", 2), ("--help >&-", 0)):
        assert subprocess.run(["sh", "-c", f"{command} {line}"], check=False).returncode == code


def test_runs_and_sync_of_an_empty_folder():
    told = command("runs").stdout
    where = f"sqlite:///{Path.cwd()}/mlflow.db"
    assert told.startswith(f"No runs yet in the experiment 'mnist' of {where}, where those of this")
    assert told.endswith("Make one with `mnist-exp train`.\n")
    assert json.loads(command("runs", "--json").stdout) == []
    assert command("sync").stdout.startswith("Nothing is pending")


def test_what_waits_for_a_store_can_be_sent_to_another():
    outage = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    assert command("train", *SMALL, **outage).returncode == 0
    unknown = command("runs", **outage)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "answers at http://127.0.0.1:9. Received: " in unknown.stderr
    assert "Waiting in outputs/ for `mnist-exp sync`: 1 run." in unknown.stderr
    here = command("runs", "--json")
    assert json.loads(here.stdout) == []
    assert here.stderr == "Waiting in outputs/ for `mnist-exp sync`: 1 run.\n"
    late = command("sync")
    assert late.returncode == 1
    assert "Expected to send 1 run to MLflow." in late.stderr
    assert "mnist-exp sync --to URI" in late.stderr
    assert command("sync", "--to", "htp://host").returncode == 2
    assert command("sync", "--to", "sqlite:///mlflow.db").stdout.endswith("  sent\n")
    assert len(json.loads(command("runs", "--json").stdout)) == 1


def test_a_database_whose_driver_is_missing():
    refused = command("runs", MLFLOW_TRACKING_URI="postgresql+pg8000://me:secret@127.0.0.1:9/mnist")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "Expected the driver of the database postgresql+pg8000://me:***@127.0.0.1:9/mnist to be "
        "installed. Received: No module named 'pg8000'. Install it with pip"
    )


def test_run_leaves_its_folder_and_is_listed():
    result = command("train", *SMALL, "description='a: b'")
    assert result.returncode == 0, result.stderr
    [folder] = [path for path in Path("outputs").iterdir() if not path.name.startswith(".")]
    assert {path.name for path in (folder / ".hydra").iterdir()} == {
        "config.yaml",
        "hydra.yaml",
        "overrides.yaml",
    }
    listed = command("runs")
    assert listed.returncode == 0
    header, line = listed.stdout.splitlines()
    assert header.split()[:3] == ["run", "outcome", "model"]
    assert line.split()[:3] == [f"seed_mlp-{folder.name[-6:]}", "finished", "seed_mlp"]
    assert max(len(header), len(line)) <= 80
    [record] = json.loads(command("runs", "--json", "--limit", "1").stdout)
    assert record["params"]["data.name"] == "digits"
    assert record["tags"]["model"] == "seed_mlp"
    typed = f"`mnist-exp train {' '.join(SMALL)} \"description='a: b'\"`"
    assert typed in record["tags"]["mlflow.note.content"].splitlines()


def test_stopped_run_ends_with_its_code_and_says_so():
    with start(".", "train", *SMALL, "training.epochs=100000", fresh=True) as process:
        next(line for line in process.stderr if line.startswith("epoch"))
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    [record] = json.loads(command("runs", "--json").stdout)
    assert record["status"] == "KILLED"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_when_all_is_done_ends_without_a_word(number):
    code = f"""
import atexit, signal, sys
from mnist_exp.cli import main
atexit.register(signal.raise_signal, {number:d})
sys.argv = ["mnist-exp", "runs"]
main()
"""
    done = python(code, fresh=True)
    assert (done.returncode, done.stderr) == (-number, "")


@pytest.mark.parametrize(("ignored", "code"), [(False, 129), (True, 0)])
def test_a_closed_terminal_stops_what_nohup_did_not_start(ignored, code):
    done = python(
        f"""
import signal, sys
if {ignored}:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from mnist_exp import cli
cli._dispatch = lambda arguments: signal.raise_signal(signal.SIGHUP) or 0
cli.main()
""",
        fresh=True,
    )
    said = "" if ignored else "Stopped: the terminal was closed.\n"
    assert (done.returncode, done.stderr) == (code, said)


def test_failing_run_is_told_in_one_paragraph():
    Path("images").mkdir()
    for name in mnist.DIGESTS:
        Path("images", name).write_text("no IDX")
    result = command("train", *SMALL[1:], "data=mnist", "data.root=images")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Expected" in result.stderr.splitlines()[-1]


def test_ui_shows_the_store_and_refuses_a_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("ui", "--port", str(port))
        assert result.returncode == 2
        assert f"127.0.0.1:{port}" in result.stderr
    with start(".", "ui", "--port", str(port)) as process:
        assert "mlflow.db" in process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        assert "MLflow" in servers.page(f"http://127.0.0.1:{port}/", process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said.endswith("Stopped by Ctrl-C.\n")
    assert "Traceback" not in said
    assert "GET" not in said
    with socket.create_server(("127.0.0.1", port)):  # its server has ended too
        pass
    assert Path("mlflow.db").exists()


def test_ui_for_others_says_what_they_can_do():
    with start(".", "ui", "--port", str(servers.free_port()), "--host", "0.0.0.0") as process:
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert "Anybody who reaches 0.0.0.0 over the network can read, change and delete runs" in said


def test_ui_of_a_server_is_where_the_server_is():
    result = command("ui", MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    assert result.returncode == 0
    assert "http://127.0.0.1:1" in result.stdout
