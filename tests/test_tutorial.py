"""The tutorial: page, notebook and pictures agree, and its commands do what it says."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import REPOSITORY
from invoke import mnist_exp
from PIL import Image

sys.path.append(str(REPOSITORY / "scripts"))
import tutorial
import tutorial_play
from tutorial_answers import differences, fitted, stray_figures

PARTS = tutorial.parts_of((REPOSITORY / tutorial.PAGE).read_text(encoding="utf-8"))
SHORT = ("data=digits", "training.epochs=2")  # 1,797 small images for 70,000


def test_page_notebook_pictures_and_prose_agree():
    assert list(tutorial.faults(REPOSITORY)) == []


@pytest.mark.long("the tutorial word for word, as a notebook, with the figures that it names")
@pytest.mark.timeout(1800)
def test_the_whole_tutorial(sealed_environment):
    outcome = tutorial_play.play(PARTS, sealed_environment)
    assert list(tutorial_play.drifted(PARTS, outcome, sealed_environment, REPOSITORY)) == []


def test_the_tutorial_in_short(sealed_environment, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    outcome = tutorial_play.play(PARTS, sealed_environment, shell=in_short)
    for index, answer in tutorial.said(PARTS):
        printed = outcome.answers[index]
        assert fitted(without_results(answer), without_results(printed)) is not None, printed
    assert outcome.pictures.keys() == {
        part.code for part in PARTS if part.kind == "picture" and part.code not in tutorial.SCREENS
    }


def in_short(command: str) -> str:
    """Runs a command, `mnist-exp` in a fork and with little training; returns what it says."""
    program, *words = shlex.split(command)
    if program != "mnist-exp":
        line = ["bash", "-c", command]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout
    if words[0] == "train":
        words = [word.replace("seed=0,1,2,3", "seed=0") for word in words] + [*SHORT]
    return mnist_exp(".", *words, check=True, stderr=subprocess.STDOUT).stdout


def without_results(text: str) -> str:
    """Returns an answer without what so little training cannot show: what is better, and reads."""
    text = re.sub(r"^(job|photo.jpg) .*\n(?: .*\n)*", r"\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"^Unsure: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^Against the first:\n(?: .*\n)*", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\d  .*", "row", text, flags=re.MULTILINE)
    return text.replace("images of mnist", "images of digits")


NEARLY = {
    "an accuracy": ("test accuracy 97.36%", "test accuracy 97.60%"),
    "an accuracy of the first epoch": ("accuracy 87.14%", "accuracy 85.20%"),
    "seconds": ("4.2 s of fit, 9.5 s in all", "12.0 s of fit, 1 min in all"),
    "names": ("cnn-wqas7f in outputs/2026-11-29_12-46-51_wqas7f",
              "cnn-abcdef in outputs/2027-01-01_00-00-00_abcdef"),
    "speed": ("val accuracy 98.88%  11,950 images/s", "val accuracy 98.90%  310 images/s"),
    "lines left out": ("a\n...\nepoch 9  loss 0.1", "a\nb\nepoch 1  loss 3\nepoch 9  loss 0.2"),
    "the order of what is as good": (
        """\
1  cnn-wqas7f  none   4  99.18 (98.95-99.41)
2  cnn-bcdefg  shift  4  99.15 (98.78-99.53)   1.00

Against the first:
  2  cnn-bcdefg: not distinguishable; 1,000 seeds would not tell, if it is as measured (p =
     1.00)
""",
        """\
1  cnn-hijklm  shift  4  99.28 (99.05-99.31)
2  cnn-nopqrs  none   4  99.11 (98.98-99.33)  <0.05

Against the first:
  2  cnn-nopqrs: not distinguishable; about 20 new seeds would tell (p = 0.30)
""",
    ),
}  # fmt: skip
FAR = {
    "97.36 became 96.60": ("test accuracy 97.36%", "test accuracy 96.60%"),
    "99.18 became 98.80": ("99.18 (", "98.80 ("),
    "42,310 became 42,320": ("42,310 parameters", "42,320 parameters"),
    "Printed": ("Verdict: identical.", "Verdict: different."),
    "Said": ("a\n...\nc", "a\nb"),
}


@pytest.mark.parametrize("kind", NEARLY)
def test_what_may_differ_from_machine_to_machine_is_no_difference(kind):
    assert list(differences(*NEARLY[kind])) == []


@pytest.mark.parametrize("told", FAR)
def test_what_else_differs_is_told(told):
    (difference,) = differences(*FAR[told])
    assert told in difference


def test_lines_that_are_left_out_are_left_out_of_what_is_printed_now():
    said = "epoch 1/9  loss 3.1\n...\nepoch 9/9  loss 0.1\ndone\n"
    printed = "".join(f"epoch {i}/9  loss {i}.5\n" for i in range(1, 10)) + "done\n"
    assert fitted(said, printed) == ["epoch 1/9  loss 1.5", "...", "epoch 9/9  loss 9.5", "done"]


def test_figures_of_the_prose_are_looked_for_in_the_outputs():
    outputs = "test accuracy 97.36%, 264 errors, 42,310 parameters"
    assert list(stray_figures("97.36 %, 97.4 %, 264 of 42,310, and 16 of 28 x 28", outputs)) == []
    assert list(stray_figures("97.5 %, 97.36, 265 of 42,311, 1 %", outputs)) == [
        "97.5 %", "265", "42,311", "1 %",
    ]  # fmt: skip
    assert list(stray_figures("mnist-784, fast/123, cnn2.5", "")) == []


PAGE = """\
# A page

```console
$ mnist-exp runs
3 runs
...
```

Took 9 s.

```python
print(1, 2)
```

```text
1 and 2
```
"""


def test_what_came_out_is_put_into_the_page():
    parts = tutorial.parts_of(PAGE)
    assert "".join(part.text for part in parts) == PAGE
    (console, _), (python, _) = tutorial.said(parts)
    answers = {console: "4 runs\nand more\n", python: "1 2\n"}
    outcome = tutorial_play.Outcome(answers, {console: 3.2, python: 1})
    told = list(tutorial_play.drifted(parts, outcome, Path(), REPOSITORY))
    assert ["print(1, 2)" in problem for problem in told] == [True]
    page = PAGE.replace("3 runs", "4 runs").replace("9 s", "3 s").replace("1 and 2", "1 2")
    assert tutorial_play.rewritten(parts, outcome) == page


def test_a_picture_that_is_not_made_or_has_another_size_is_told(tmp_path):
    parts = tutorial.parts_of("![Digits](images/tutorial-digits.png)\n")
    outcome = tutorial_play.Outcome()
    (told,) = tutorial_play.drifted(parts, outcome, tmp_path, REPOSITORY)
    assert told.endswith("no step left digits.png")
    for size, problems in (((90, 56), 1), ((896, 560), 0)):
        Image.new("L", size).save(tmp_path / "digits.png")
        assert len(list(tutorial_play.drifted(parts, outcome, tmp_path, REPOSITORY))) == problems


def test_two_commands_in_a_block_are_refused():
    with pytest.raises(ValueError, match="Expected one command"):
        tutorial.parts_of(PAGE.replace("3 runs", "$ mnist-exp ui"))


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the documentation."""
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    return tmp_path


def test_an_altered_command_needs_a_new_notebook(copy):
    alter(copy, "training.epochs=5", "training.epochs=6")
    assert ["is not what" in fault for fault in tutorial.faults(copy)] == [True]


FIGURE = "docs/tutorial.md: 97.36 % stands in the prose, and in no output"


def test_an_altered_figure_is_told(copy):
    alter(copy, "│ 97.36%  (95", "│ 97.35%  (95")
    told = list(tutorial.faults(copy))
    assert ["is not what" in told[0], told[1:]] == [True, [FIGURE]]


def alter(root: Path, old: str, new: str) -> None:
    page = root / tutorial.PAGE
    text = page.read_text(encoding="utf-8")
    assert old in text
    page.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_altered_picture_is_told(copy):
    pictures = copy / tutorial.PICTURES
    shutil.copy(pictures / "tutorial-errors.png", pictures / "tutorial-digits.png")
    assert ["is not what" in fault for fault in tutorial.faults(copy)] == [True]
    (pictures / "tutorial-digits.png").unlink()
    assert ["digits is not there" in fault for fault in tutorial.faults(copy)] == [True]


def test_a_picture_of_its_own_page_is_small():
    pictures = list((REPOSITORY / tutorial.PICTURES).glob("tutorial-*.png"))
    assert {f"tutorial-{p.code}" for p in PARTS if p.kind == "picture"} == {
        p.stem for p in pictures
    }
    assert max(picture.stat().st_size for picture in pictures) < 100_000
