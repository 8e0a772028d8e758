"""The plan as a table: what differs between jobs, and of long plans both ends."""

from mnist_exp.sweeps.execute.preview import text


def test_a_plan_shows_what_differs():
    jobs = [
        (0, ("data=digits", "model=mlp", "optimizer.learning_rate=0.0123456", "seed=0"), "to do"),
        (12, ("data=digits", "model=deep_cnn", "+seed=0"), "running"),
    ]
    assert text(jobs).splitlines() == [
        "job  model     learning_rate  state",
        "  0  mlp       0.01235        to do",
        " 12  deep_cnn                 running",
    ]


def test_one_job_has_nothing_that_differs():
    assert text([(0, ("seed=0",), "to do")]).splitlines()[1:] == ["  0  to do"]


def test_of_a_long_plan_both_ends_are_shown():
    jobs = [(number, (f"seed={number}",), "to do") for number in range(51)]
    assert len(text(jobs[:50]).splitlines()) == 51
    lines = text(jobs).splitlines()
    assert lines[30:33] == [" 29  29    to do", "...  ...   11 more", " 41  41    to do"]
    assert lines[-1] == " 50  50    to do"
