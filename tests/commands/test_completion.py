"""Tab completion, asked as the shells ask, and in a real bash."""

import os
import sys
from pathlib import Path

import pexpect
import pytest
from invoke import here

from mnist_exp.commands.completion import run_items
from mnist_exp.commands.overrides import complete
from mnist_exp.config import places

OWN = "--config-dir=own"
DATA = ["mnist", "digits", "idx"]


def ask(line, shell="bash"):
    """Returns the answers of the real command, as a shell would ask for them."""
    question = {
        "bash": {"COMP_LINE": line},
        "zsh": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "fish": {"COMP_WORDS": line, "COMP_CWORD": line.rpartition(" ")[2]},
    }[shell]
    environment = {**os.environ, "_MNIST_EXP_COMPLETE": f"{shell}_complete", **question}
    result = here(env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split("\n")


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ([], "mod", {"model=", "model."}),
        ([], "model=", {"model=cnn", "model=mlp", "model=seed_mlp"}),
        ([], "model=dee", {"model=deep_cnn"}),
        ([], "training.ep", {"training.epochs="}),
        (["training=smoke"], "training.epochs=", {"training.epochs=1"}),
        (["model=mlp"], "model.h", {"model.hidden_units="}),
        ([], "training.prec", {"training.precision="}),
        ([], "training.precision=b", {"training.precision=bfloat16"}),
        (["-m"], "model.activation=relu,s", {"model.activation=relu,silu"}),
        ([], "model.batch_norm=", {"model.batch_norm=true", "model.batch_norm=false"}),
        ([], "training.weight_averaging=n", {"training.weight_averaging=null"}),
        (["experiment=fast"], "optimizer.learning_rate=", {"optimizer.learning_rate=0.01"}),
        (["-m"], "model=cnn,ml", {"model=cnn,mlp"}),
        (["-m", "model=cnn,mlp"], "see", {"seed="}),
        (["--multirun"], "exp", {"experiment="}),
        (["--cfg"], "", {"job", "hydra", "all"}),
        (["-i"], "def", {"defaults", "defaults-tree"}),
        (["--cfg", "job"], "mod", {"model=", "model."}),
        ([], "++mod", {"++model."}),
        ([], "++model.dro", {"++model.dropout="}),
    ],
)
def test_hydra_answers_for_overrides(words, incomplete, expected):
    assert expected <= set(complete(words, incomplete))
    assert all(answer.startswith(incomplete) for answer in complete(words, incomplete))


@pytest.mark.parametrize(
    ("words", "incomplete", "some"),
    [
        (["model=nothing"], "tra", ["training="]),
        (["--nonsense"], "model=", []),
        (["'"], "tra", []),
        ([], "nothing=", []),
    ],
)
def test_nonsense_is_passed_over_in_silence(words, incomplete, some, capfd):
    answers = complete(words, incomplete)
    assert all(answer.startswith(incomplete) for answer in answers)
    assert set(some) <= set(answers)
    assert bool(some) == bool(answers)
    assert capfd.readouterr() == ("", "")


def test_folder_of_the_user_is_completed(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text("name: mlp\n")
    (tmp_path / "model" / "tiny_too.yaml").write_text("name: mlp\n")
    for flag in (
        ["--config-dir", str(tmp_path)],
        ["-cd", str(tmp_path)],
        [f"--config-dir={tmp_path}"],
    ):
        assert complete(flag, "model=ti") == ["model=tiny", "model=tiny_too"]
    assert complete(["--config-dir=nowhere"], "model=ti") == []


def test_options_of_a_named_file_of_components_are_completed_and_none_of_its_code_runs(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(places, "named", [])
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "tiny_too.yaml").write_text("name: tiny_too\n")
    file = tmp_path / "own.py"
    file.write_text("raise SystemExit\n")
    assert ask(f"mnist-exp train --components {file} model=ti") == [
        "model=tiny",
        "model=tiny_too",
        "",
    ]


def test_verbs_runs_and_flags_are_completed():
    assert ask("mnist-exp re") == ["reproduce", "resume", ""]
    assert ask("mnist-exp evaluate ")[:3] == ["latest", "best", "@champion"]
    assert "--config-dir" in ask("mnist-exp train --c")
    assert "--dry-run" in ask("mnist-exp train -m --d")
    assert ask("mnist-exp completion z") == ["zsh", ""]
    assert ask("mnist-exp resume ") == ["latest", ""]  # there is nothing that was cut off
    assert ask("mnist-exp evaluate best --data ") == [*DATA, "mnist_c", "drawings", ""]
    assert ask("mnist-exp compare --data ") == [*DATA, ""]


def test_names_that_a_shell_would_run_are_not_offered(monkeypatch):
    names = ["cnn-a", "cnn-$(touch pwned)", "cnn b", "cnn;ls", "@champion"]
    monkeypatch.setattr("mnist_exp.tracking.read.runs.run_names", lambda **_: names)
    assert [item.value for item in run_items(None, None, "")] == ["cnn-a", "@champion"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_the_same_answers(shell):
    answers = "\n".join(ask("mnist-exp train model=dee", shell))
    assert "model=deep_cnn" in answers


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed(shell):
    script = here("completion", shell).stdout
    assert f"_MNIST_EXP_COMPLETE={shell}_complete" in script
    assert "mnist-exp" in script
    assert "%(" not in script
    assert {"bash": "-o nospace", "zsh": "compadd -S ''", "fish": "--max 1"}[shell] in script


@pytest.fixture
def bash(tmp_path):
    """A real bash that has the completion and the command, in a folder with a model of its own."""
    Path("own/model").mkdir(parents=True)
    Path("own/model/mine.yaml").write_text("name: mlp\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "mnist-exp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mnist_exp "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PS1": "ready> ",
        "TERM": "dumb",
        "INPUTRC": os.devnull,
    }
    shell = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile"],
        env=environment,
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 200),
    )
    shell.sendline("PS1='ready> '; bind 'set enable-bracketed-paste off'")
    shell.sendline('eval "$(mnist-exp completion bash)"; echo lo""aded')
    shell.expect("loaded")
    shell.expect("ready> ")
    yield shell
    shell.close(force=True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("mnist-exp tra\t", "mnist-exp train "),
        ("mnist-exp train model=dee\t", "mnist-exp train model=deep_cnn "),
        ("mnist-exp train exp\tfas\t", "mnist-exp train experiment=fast "),
        ("mnist-exp train training.ep\t3", "mnist-exp train training.epochs=3"),
        ("mnist-exp train -m model=cnn,see\t", "mnist-exp train -m model=cnn,seed_mlp "),
        ("mnist-exp train model=mlp sche\t=cos\t", "mnist-exp train model=mlp schedule=cosine "),
        ("mnist-exp train --config-d\t", "mnist-exp train --config-dir "),
        ("mnist-exp evaluate lat\t", "mnist-exp evaluate latest "),
        ("mnist-exp train --cfg j\t", "mnist-exp train --cfg job "),
        ("mnist-exp train --cfg=j\t", "mnist-exp train --cfg=job "),
        ("mnist-exp train --config-dir=ow\t", "mnist-exp train --config-dir=own/"),
        ("mnist-exp train -cd own model=mi\t", "mnist-exp train -cd own model=mine "),
        (f"mnist-exp train {OWN} model=mi\t", f"mnist-exp train {OWN} model=mine "),
        ("mnist-exp train ++model.dro\t", "mnist-exp train ++model.dropout="),
        ("mnist-exp compare --data=di\t", "mnist-exp compare --data=digits "),
    ],
)
def test_real_bash_completes(bash, typed, expected):
    # Readline's own command shows what stands on the line without running it.
    bash.sendline(r"""bind -x '"\C-g": printf "<%s>\n" "$READLINE_LINE"'""")
    bash.expect("ready> ")
    for part in typed.split("\t"):
        bash.send(part)
        if part is not typed.rpartition("\t")[2]:
            bash.send("\t")
    bash.send("\x07")
    bash.expect(r"<([^>]*)>")
    assert bash.match.group(1) == expected


def test_completion_works_from_any_folder(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "model=deep_cnn" in ask("mnist-exp train model=dee")
    assert list(Path.cwd().iterdir()) == []
