"""From a run to the champion in MLflow's registry, unless it is measurably worse than today's.

The two are compared by what they recorded of the same test images; nothing is measured again, but
the weights of a new champion must be those that were measured. Here alone test images decide: a
gate that may refuse what was chosen without them, and that chooses nothing itself.
"""

from dataclasses import dataclass

from mnist_exp.core.errors import ExperimentError, RequestError
from mnist_exp.core.statistics import LEVEL, mcnemar_test, wilson_interval
from mnist_exp.core.terminal import say
from mnist_exp.core.text import in_markdown, p_in_words
from mnist_exp.runs import classifier
from mnist_exp.runs.recorded_config import as_recorded
from mnist_exp.tracking.mlflow import registry
from mnist_exp.tracking.mlflow.registry import Version
from mnist_exp.tracking.mlflow.store import REGISTERED_MODEL, Store
from mnist_exp.tracking.names import DATA_TAG
from mnist_exp.tracking.read.evidence import Evidence, EvidenceError, Predictions
from mnist_exp.tracking.read.runs import Found, find, require_finished
from mnist_exp.tracking.records import RunRecord

# The port that it would take by itself is that of the MLflow UI.
SERVE = f"{registry.SERVE} --port 5001"
_COPIED_TAGS = ("model", "data", "experiment")
_DIGEST_CHARACTERS = 8


@dataclass(frozen=True)
class Contest:
    """A run beside the champion, on the same test images."""

    images: int
    right: int  # by the run
    champion_right: int
    only_right: int  # by the run, and not by the champion
    only_champion_right: int

    @property
    def p(self) -> float:
        """Of the exact McNemar test, two-sided."""
        return mcnemar_test(self.only_right, self.only_champion_right)

    @property
    def verdict(self) -> str:
        """Whether the run is `better`, `worse` or `not distinguishable`."""
        if self.p >= LEVEL:
            return "not distinguishable"
        return "better" if self.only_right > self.only_champion_right else "worse"

    def words(self, name: str) -> str:
        """Returns what was compared, in a sentence without its full stop.

        Args:
            name: of the champion.
        """
        return (
            f"of {self.images:,} test images it alone recognises {self.only_right:,}, {name} alone "
            f"{self.only_champion_right:,} ({self.right / self.images:.2%} against "
            f"{self.champion_right / self.images:.2%}); exact McNemar {p_in_words(self.p)}: "
            f"{self.verdict}"
        )


@dataclass(frozen=True)
class Opponent:
    """The champion before, and how a run compares with it."""

    version: Version
    name: str  # of its run
    contest: Contest | None
    obstacle: str = ""  # without a contest: why there is none, as an error tells it

    @property
    def against(self) -> str:
        """What speaks against the run; empty where nothing does."""
        if self.contest is None:
            return "not comparable"
        return "worse" if self.contest.verdict == "worse" else ""


@dataclass(frozen=True)
class Promotion:
    """What became of a promotion."""

    run: RunRecord
    version: Version
    opponent: Opponent | None  # None without a champion before
    right: int  # of the test images
    images: int
    already: bool = False  # whether the run was champion before: nothing was done


def promote(selector: str, *, force: bool = False) -> Promotion:
    """Makes the model of a run the champion, unless it is measurably worse than today's.

    Args:
        selector: what names the run.
        force: whether one that is worse, or cannot be compared, is promoted too.

    Returns:
        What was done.

    Raises:
        RequestError: there is no such run, it has no model or a record that was altered, or it
            cannot be compared with the champion.
        ExperimentError: it is worse, its model was altered since, or MLflow failed.
    """
    found = find(selector)
    run, store = found.record, found.store
    _check(found)
    evidence = Evidence(run, store.uri)
    predictions = evidence.predictions
    right, images = int(predictions.correct.sum()), len(predictions.labels)
    with registry.promoting(store):
        # It must be there, and as it was measured, before anything is made.
        classifier.load(run, as_recorded(evidence), store)
        champion = registry.champion(store)
        if champion is not None and champion.run_id == run.run_id:
            return Promotion(run, champion, None, right, images, already=True)
        opponent = None if champion is None else _opponent(run, predictions, champion, store)
        if opponent is not None and opponent.against and not force:
            raise _refusal(run, opponent)
        tags = _version_tags(run, right, images)
        version = registry.register(store, run.run_id, description=_description(run), tags=tags)
        registry.crown(store, version, _reasons(opponent))
    return Promotion(run, version, opponent, right, images)


def show(promotion: Promotion) -> None:
    """Prints what became of a promotion to stdout, in one paragraph, and how to serve the model."""
    name, opponent = promotion.run.name, promotion.opponent
    version = f"version {promotion.version.number} of the registered model {REGISTERED_MODEL}"
    if promotion.already:
        text = f"{name} is the champion already: {version}. Nothing was changed."
    elif opponent is None:
        low, high = wilson_interval(promotion.right, promotion.images)
        say(f"{name} is now the champion: {version}; there was none before.")
        text = (
            f"It recognises {promotion.right / promotion.images:.2%} of {promotion.images:,} test "
            f"images (95 % interval {low:.2%} to {high:.2%})."
        )
    else:
        say(f"{name} is now the champion: {version}, in place of {_named(opponent)}.")
        if opponent.contest is None:
            text = f"They were not compared: {opponent.obstacle}"
        else:
            words = opponent.contest.words(opponent.name)
            text = f"{words[0].upper()}{words[1:]}."
        text += f" Promoted by --force, though {opponent.against}." if opponent.against else ""
    say(text)
    say(f"Serve it: {SERVE}")


def _check(found: Found) -> None:
    """Refuses runs that have nothing to promote."""
    run = found.record
    if run.is_member:
        raise RequestError(
            f"Expected a run that is no part of another. Received: {run.name}, a member of an "
            "ensemble, which is promoted as one model: `mnist-exp promote "
            f"{found.ensemble_name}`."
        )
    require_finished(run)


def _opponent(run: RunRecord, own: Predictions, champion: Version, store: Store) -> Opponent:
    """Compares a run with the champion, or says why that is not possible."""
    other = None if champion.run_id is None else store.get(champion.run_id)
    if other is None:
        what = "a run that MLflow does not have" if champion.run_id else "no run"
        obstacle = (
            f"Expected a champion with the record of its run, to compare with. Received: version "
            f"{champion.number}, of {what}."
        )
        return Opponent(champion, champion.run_id or "no run", None, obstacle)
    name = other.name
    try:
        theirs = Evidence(other, store.uri).predictions
    except EvidenceError as problem:
        return Opponent(champion, name, None, str(problem))
    same_data = run.tags.get(DATA_TAG) == other.tags.get(DATA_TAG)
    if not same_data or own.labels.tobytes() != theirs.labels.tobytes():
        obstacle = (
            f"Expected runs that were tested on the same images. Received: {_data(run)}, and the "
            f"champion, version {champion.number}, {_data(other)}."
        )
        return Opponent(champion, name, None, obstacle)
    contest = Contest(
        images=len(own.labels),
        right=int(own.correct.sum()),
        champion_right=int(theirs.correct.sum()),
        only_right=own.alone(theirs),
        only_champion_right=theirs.alone(own),
    )
    return Opponent(champion, name, contest)


def _refusal(run: RunRecord, opponent: Opponent) -> Exception:
    if opponent.contest is None:
        return RequestError(f"{opponent.obstacle} --force promotes {run.name} anyway.")
    return ExperimentError(
        "Expected a model that is not measurably worse on the test images than the champion, "
        f"{_named(opponent)}. "
        f"Received: {run.name}; {opponent.contest.words(opponent.name)}. The champion "
        "stays; --force replaces it anyway."
    )


def _reasons(opponent: Opponent | None) -> dict[str, str]:
    """Returns how a version becomes champion, for its tags."""
    if opponent is None:
        return {"promotion": "there was no champion before"}
    how = (
        f"not compared: {opponent.obstacle}"
        if opponent.contest is None
        else opponent.contest.words(opponent.name)
    )
    reasons = {"promotion": f"in place of {_named(opponent)}; {how}"}
    return reasons | ({"forced": opponent.against} if opponent.against else {})


def _version_tags(run: RunRecord, right: int, images: int) -> dict[str, str]:
    low, high = wilson_interval(right, images)
    accuracy = f"{right / images:.2%} ({low:.2%} to {high:.2%})"
    copied = {key: run.tags[key] for key in _COPIED_TAGS if key in run.tags}
    return {"run": run.name, "test accuracy": accuracy, **copied}


def _description(run: RunRecord) -> str:
    """Returns the run's name above its own description, as Markdown."""
    return f"Run {in_markdown(run.name)}\n\n{run.tags.get('mlflow.note.content', '')}".strip()


def _named(opponent: Opponent) -> str:
    return f"version {opponent.version.number} ({opponent.name})"


def _data(run: RunRecord) -> str:
    """Returns the name of a run, and on which data it was."""
    digest = run.tags.get(DATA_TAG, "")[:_DIGEST_CHARACTERS]
    return f"{run.name} on {run.params.get('data.name')} ({digest or 'unknown'})"
