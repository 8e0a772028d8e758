"""The frontier as a table, for a terminal or for a page of Markdown."""

from frontier_results import AIM_TIMES, REFERENCE, SHORT, TARGETS, Frontier, Result
from rich.box import SIMPLE_HEAD
from rich.table import Table

COLUMNS = (
    "",
    "seeds",
    "test accuracy (95 %)",
    "fit\ns",
    "whole\ncommand s",
    "peak\nMB",
    "images/s\nin fit",
    "TFLOP of\ntraining",
    "of matmul\npeak",
    "fit, times\nfaster",
)


def table(frontier: Frontier) -> Table:
    """Returns a line for each contender, the fastest fit first, with what it all means below."""
    versions = (f", {name} {number}" for name, number in frontier.versions.items())
    title = f"On {frontier.machine}{''.join(versions)}"
    if frontier.quick:
        title = f"A QUICK CHECK, NO RESULT ({frontier.quick}). {title}"
    drawn = Table(
        title=title,
        caption=caption(frontier),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=0,  # what is between columns is enough
    )
    for heading in COLUMNS:
        # Only a long name may take two lines.
        drawn.add_column(
            heading, justify="right" if heading else "left", no_wrap=bool(heading), overflow="fold"
        )
    for result in frontier.ranking:
        drawn.add_row(*cells(frontier, result), style="red" if result.failures else None)
    for result in frontier.results:
        if not result.trials:
            drawn.add_row(result.title, seeds(result), style="red")
    return drawn


def markdown(frontier: Frontier) -> str:
    """Returns the lines of the table as Markdown, without the words around it."""
    lines = [
        [heading.replace("\n", " ") for heading in COLUMNS],
        ["--:" if heading else ":--" for heading in COLUMNS],
        *(cells(frontier, result) for result in frontier.ranking),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cells(frontier: Frontier, result: Result) -> list[str]:
    """Returns the texts of a line."""
    mean, deviation, low, high = (
        None if value is None else 100 * value for value in result.accuracy
    )
    mark = "" if deviation else " w"
    times, aim = frontier.times_faster(result), AIM_TIMES.get(result.name)
    missed = aim is not None and times is not None and times < aim and not frontier.quick
    return [
        result.title,
        seeds(result),
        f"{mean:.2f} % ({low:.2f} to {high:.2f}){mark}",
        f"{result.median('fit_seconds'):,.1f}",
        f"{result.median('command_seconds'):,.1f}",
        f"{result.median('peak_mb'):,.0f}",
        f"{result.median('images_per_second'):,.0f}",
        f"{result.training_tflop:,.1f}",
        f"{100 * result.peak_share(frontier.peaks):.1f} % {SHORT[result.precision]}",
        ("" if times is None else f"{times:.1f}") + (f" < {aim:.0f}" if missed else ""),
    ]


def seeds(result: Result) -> str:
    """Returns how many runs went well, and of how many where some failed."""
    well = len(result.trials)
    return f"{well} of {well + len(result.failures)}" if result.failures else f"{well}"


def caption(frontier: Frontier) -> str:
    """Returns how the figures came about."""
    peaks = ", ".join(
        f"{rate:,.0f} GFLOP/s in {name} ({SHORT[name]})" for name, rate in frontier.peaks.items()
    )
    shared = (
        "Medians over seeds; each run is a fresh process, and all contenders take turns, seed by "
        "seed. Accuracy: mean with the t interval of the mean; w: Wilson's, of one seed or of "
        "seeds that agree.\n"
        "Whole command: that of mnist-exp also records the run, draws pictures and exports the "
        "model; peers do not. Peak memory: of all processes of the command. Images/s: training "
        "images, over all of fit, to which validation and compiling belong, torch.compile's too.\n"
        f"Matmul peak, measured in between: {peaks}. A training image counts 3 times the forward "
        "multiplications and additions of convolutions and dense layers (the first layer twice), "
        "whatever else is done."
    )
    sentences = [
        shared,
        times_words(frontier),
        *frontier.compiling_words(),
        *map(target_words, [frontier] * len(TARGETS), TARGETS),
        f"A contender starts no further seed after {frontier.minutes:g} minutes of runs.",
        'Seeds "9 of 10": one run failed; its figures are missing here.' if frontier.failed else "",
        *frontier.left_out,
    ]
    return "\n".join(sentence for sentence in sentences if sentence)


def times_words(frontier: Frontier) -> str:
    """Returns what the last column means; nothing where it is empty."""
    reference = next((r.title for r in frontier.results if r.name == REFERENCE), None)
    if reference is None:
        return ""
    aims = ", ".join(f"{aim:g} for {name}" for name, aim in AIM_TIMES.items())
    return (
        f"Times faster: fit seconds of {reference} over those of the line, median of the seeds "
        f"that both have. Aim: {aims}."
    )


def target_words(frontier: Frontier, target: float) -> str:
    """Returns who reaches an accuracy first, and with the fewest operations; nothing if none."""
    first, least = frontier.first_to(target), frontier.least_to(target)
    if first is None or least is None:
        return ""
    return (
        f"To a mean of {100 * target:g} %: first {first.title}, "
        f"{first.median('fit_seconds'):.1f} s; with the fewest operations {least.title}, "
        f"{least.training_tflop:.1f} TFLOP."
    )
