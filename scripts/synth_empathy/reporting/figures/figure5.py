"""Figure 5: the judge's scores of generated data before and after selection, with the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ...core.absent import UNKNOWN
from ...core.errors import UserError
from ...core.escaping import csv_with_note, plot_text
from ...core.files import REMAKE
from ...core.json_files import read_json
from ...core.records import Record, is_a
from ...systems import BEFORE
from ...systems import STAGES as STAGE_FORM
from ..paper_values import NOTHING, PaperStage, other_criteria
from .data import COMPARISON, Values, comparison_columns, stdev_or_none
from .style import UNKNOWN_NOTE, WIDTH, format_value, freeze_layout, sheet, style

#: Fill and hatch of the two stages of Figure 5.
STAGES = {"before selection": ("#E69F00", "////"), "after selection": ("#0072B2", "")}
#: A bar lower than this share of its axis is drawn as a line.
LOWEST = 0.03
#: In percent. If all of our shares of full marks are smaller, their axis ends above them and they have a decimal.
SMALL_SHARE = 10


@dataclass(frozen=True)
class Judged:
    """One stage of Figure 5: mean scores (1 to 3) and shares of full marks (0 to 1), by criterion, then over all.

    Attributes:
        criteria: their names in files; ``titles`` are their names for readers.
        mean_sd: the standard deviation of each mean over the seeds; None with one seed.
        share_sd: the same of the shares.
        made_by: prompt, judge, mode.
    """

    criteria: list[str]
    titles: list[str]
    means: list[float]
    mean_sd: Values
    shares: list[float]
    share_sd: Values
    samples: int
    seeds: int
    notes: list[str]
    made_by: tuple[str, str, str]
    stage: str


def judged(paths: list[Path]) -> Judged:
    """One stage's judge summaries, a file a seed, as means over the seeds.

    Raises:
        UserError: a file is missing or is not a summary, or the files differ in prompt, stage, judge, mode or
            criteria.
    """
    summaries = [read_summary(path) for path in paths]
    if len(set(map(judging_of, summaries))) > 1 or len({one["seed"] for one in summaries}) < len(summaries):
        problem = f"{', '.join(map(str, paths))} are not one stage's summaries, one a seed"
        raise UserError(problem, "give files of one prompt, stage, judge and mode, each seed once")
    first = summaries[0]
    means, shares = over_seeds(summaries, "mean"), over_seeds(summaries, "full_share")
    return Judged(
        criteria=list(first["criteria"]),
        titles=[criterion["title"] for criterion in first["criteria"].values()],
        means=[fmean(row) for row in means],
        mean_sd=[stdev_or_none(row) for row in means],
        shares=[fmean(row) for row in shares],
        share_sd=[stdev_or_none(row) for row in shares],
        samples=sum(one["samples"]["scored"] for one in summaries),
        seeds=len(summaries),
        notes=list(dict.fromkeys(one["note"] for one in summaries if one["note"])),
        made_by=(first["prompt"], first["judge"], first["mode"]),
        stage=first["stage"],
    )


def judging_of(summary: Record) -> tuple[str, ...]:
    """What the summaries of one stage have in common."""
    words = [str(summary[key]) for key in ("prompt", "stage", "judge", "mode", "temperature")]
    return (*words, *summary["criteria"])


def over_seeds(summaries: list[Record], key: str) -> list[list[float]]:
    """The seeds' values of a quantity, by criterion, then over all of them."""
    rows = []
    for name in summaries[0]["criteria"]:
        rows.append([one["criteria"][name][key] for one in summaries])
    return [*rows, [one["all"][key] for one in summaries]]


def criteria_note(stage: Judged) -> str | None:
    """The note of a Figure 5 whose criteria are not the paper's; None if they are."""
    why = other_criteria(stage.criteria)
    if why is None:
        return None
    return f"The numbers over all criteria are {why}: the paper's are not comparable and are not shown."


def judged_csv(
    before: Judged,
    after: Judged,
    paper: tuple[PaperStage, PaperStage] | None,
    note: str | None = None,
) -> str:
    """Figure 5's numbers: a line a stage, criterion (or all of them) and quantity.

    The lines over all criteria have the paper's numbers. Mean scores (in the file: mean mark) are from 1 to 3.
    Shares of full marks are from 0 to 1, as in the paper's file; a lower bound in the paper has no difference.

    Args:
        paper: None if the criteria are not the paper's, so that its numbers are not comparable.
    """
    lines = []
    stages = ("before selection", before), ("after selection", after)
    for (name, stage), known in zip(stages, paper or (NOTHING, NOTHING)):
        for place, criterion in enumerate([*stage.titles, "all"]):
            theirs = known if place == len(stage.titles) else NOTHING
            about = [name, f"{stage.made_by[0]}/{stage.stage}", criterion]
            score = comparison_columns(stage.means[place], stage.mean_sd[place], theirs.mean)
            share = share_columns(stage.shares[place], stage.share_sd[place], theirs)
            lines.append([*about, "mean mark", *score])
            lines.append([*about, "share of full marks", *share])
    return csv_with_note(["stage", "judged", "criterion", "quantity", *COMPARISON], lines, note)


def share_columns(ours: float, sd: float | None, paper: PaperStage) -> list[str]:
    """The cells of the columns ``COMPARISON`` for a share of full marks; four decimals are two of a percentage."""
    exact = paper.share is not None and not paper.above
    known = UNKNOWN if paper.share is None else f"{'>' if paper.above else ''}{paper.share:g}"
    deviation = UNKNOWN if sd is None else f"{sd:.4f}"
    return [f"{ours:.4f}", deviation, known, f"{ours - paper.share:+.4f}" if exact else UNKNOWN]


def read_summary(path: Path) -> Record:
    """A judge's summary, checked for what the figure needs.

    Raises:
        UserError: the file is missing, or a value is missing or faulty.
    """
    summary = read_json(path)
    try:
        parts = [*summary["criteria"].values(), summary["all"]]
        in_range = [1 <= part["mean"] <= 3 and 0 <= part["full_share"] <= 1 for part in parts]
        sound = bool(summary["criteria"]) and all(in_range)
        words = [summary[key] for key in ("prompt", "stage", "judge", "mode")] + [summary["note"] or ""]
        words += [criterion["title"] for criterion in summary["criteria"].values()]
        counts = [summary["samples"]["scored"], summary["seed"]]
        summary["temperature"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a judge's summary: {error}", REMAKE) from None
    odd = [word for word in words if not is_a(word, str)] + [count for count in counts if not is_a(count, int)]
    if odd:
        fault = f"{odd[0]!r} is a text in place of a number, or a number in place of a text"
        problem = f"{path} is not a judge's summary: {fault}"
        raise UserError(problem, REMAKE)
    if not sound:
        raise UserError(f"{path}: a mean score is not from 1 to 3, or a share of full marks not from 0 to 1", REMAKE)
    return summary


def check_stages(before: Judged, after: Judged) -> None:
    """Refuse two stages that are the same, or differ in prompt, judge, mode or criteria."""
    if before.stage == after.stage:
        hint = f"give the summaries of two stages: {BEFORE}, and one such as {STAGE_FORM}"
        raise UserError(f"before and after are both {before.stage}", hint)
    if (before.made_by, before.criteria, before.titles) != (after.made_by, after.criteria, after.titles):
        one, other = how_judged(before), how_judged(after)
        hint = "give summaries of one prompt, judge, mode and set of criteria"
        raise UserError(f"before and after were not judged in the same way: {one}; {other}", hint)


def how_judged(stage: Judged) -> str:
    """Prompt, judge, mode and criteria of a stage."""
    return f"{' / '.join(stage.made_by)} on {', '.join(stage.titles)}"


def draw_figure5(before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None, note: str | None):
    """The judge's mean scores and shares of full marks, before and after selection (paper, Figure 5).

    Args:
        paper: None if the criteria are not the paper's, so that its numbers are not comparable.
    """
    with style():
        notes = [*judge_notes(before, after, paper), *dict.fromkeys([*before.notes, *after.notes, note or ""])]
        width = max(WIDTH, 0.45 + 0.74 * len(before.means))
        title = "Figure 5: the judge's scores before and after selection"
        figure = sheet(title, 3.7, stage_handles(paper), notes, width=width)
        scores, full = figure.subplots(2, 1)
        draw_mean_scores(scores, before, after, paper)
        draw_full_shares(full, before, after, paper)
        return freeze_layout(figure)


def draw_mean_scores(axes, before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> None:
    """The upper half of Figure 5: the mean score by criterion, and over all of them."""
    known = paper or (NOTHING, NOTHING)
    axes.set(ylabel="mean score\n(lowest 1, highest 3)", ylim=(0, 3.25), yticks=[0, 1, 2, 3])
    means = before.means, after.means
    draw_stages(axes, means, (before.mean_sd, after.mean_sd), [stage.mean for stage in known])
    papers = [format_value(stage.mean, "{:.2f}") for stage in known] if paper else None
    label_groups(axes, [*before.titles, "Mean"], means, papers, form="{:.2f}")


def draw_full_shares(axes, before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> None:
    """The lower half of Figure 5: the share of full marks by criterion, and by all of them at once, in percent."""
    from matplotlib.ticker import AutoLocator

    known = paper or (NOTHING, NOTHING)
    shares, deviations = percent(before.shares, after.shares), percent(before.share_sd, after.share_sd)
    [papers] = percent([stage.share for stage in known])
    axes.set(ylabel="share of full marks (%)", ylim=(0, 108), yticks=[0, 25, 50, 75, 100])
    small = has_small_shares(before, after)
    if small:
        axes.set_ylim(0, 1.25 * max(top_of(stage) for stage in (before, after)) or 1)
        axes.yaxis.set_major_locator(AutoLocator())
    draw_stages(axes, shares, deviations, papers, above=[stage.above for stage in known])
    signs = [">" if stage.above else "" for stage in known]
    words = [format_value(value, "{:.0f}", sign) for value, sign in zip(papers, signs)] if paper else None
    label_groups(axes, [*before.titles, "All at once"], shares, words, form="{:.1f}" if small else "{:.0f}", unit=" %")


def has_small_shares(before: Judged, after: Judged) -> bool:
    """Whether all shares of full marks are below ``SMALL_SHARE``, so that bars up to 100 % would not be seen."""
    return 100 * max(*before.shares, *after.shares) < SMALL_SHARE


def top_of(stage: Judged) -> float:
    """The upper end of a stage's highest bar or whisker, in percent."""
    return max(100 * (share + (deviation or 0)) for share, deviation in zip(stage.shares, stage.share_sd))


def percent(*rows: Sequence[float | None]) -> list[list[float | None]]:
    """Shares in percent."""
    return [list(map(percent_or_none, row)) for row in rows]


def percent_or_none(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else 100 * share


def stage_handles(paper: tuple[PaperStage, PaperStage] | None) -> list[Any]:
    """Figure 5's legend: the stages, and the paper's markers if its numbers are shown."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    edge = {"edgecolor": "black", "linewidth": 0.5}
    handles = [Patch(facecolor=fill, hatch=hatch, label=name, **edge) for name, (fill, hatch) in STAGES.items()]
    if paper:
        handles.append(Line2D([], [], **marker_of(False), label="paper"))
    if paper and any(stage.above for stage in paper):
        handles.append(Line2D([], [], **marker_of(True), label="paper: more than"))
    return handles


def judge_notes(before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> list[str]:
    """Who judged how many samples, and what the paper's numbers cover, or why they are not shown."""
    prompt, judge, mode = after.made_by
    seeds = f"; bars: means over {after.seeds} seeds, whiskers: their standard deviation" if after.seeds > 1 else ""
    judged = f"{prompt}, {after.stage}; judge {judge} ({mode})"
    counts = f"{before.samples:,} samples before, {after.samples:,} after"
    coverage = f"The paper's numbers are over all criteria together. {UNKNOWN_NOTE}."
    notes = [f"{judged}; {counts}{seeds}. {criteria_note(before) or coverage}"]
    if has_small_shares(before, after) and any(stage.share is not None for stage in paper or ()):
        notes.append("The lower axis ends above our shares; the paper's share lies beyond it.")
    return notes


def marker_of(above: bool) -> dict[str, Any]:
    """The look of the paper's numbers; a lower bound has another marker."""
    marker = "^" if above else "D"
    return {"marker": marker, "color": "black", "markerfacecolor": "white", "linestyle": "none", "markersize": 4.5}


def draw_stages(axes, values, deviations, paper: Values, above: Sequence[bool] = (False, False)) -> None:
    """Two bars a group, before and after, with whiskers; the paper's numbers are markers over the last group.

    The limits of the axes must be set: lower bars are drawn as lines, and the paper's number at most at the upper end.
    """
    _, top = axes.get_ylim()
    for stage, (fill, hatch) in enumerate(STAGES.values()):
        places = [group + (stage - 0.5) * 0.36 for group in range(len(values[stage]))]
        axes.bar(places, values[stage], width=0.34, facecolor=fill, hatch=hatch, edgecolor="black", linewidth=0.5)
        draw_low(axes, places, values[stage], fill)
        for x, value, error in zip(places, values[stage], deviations[stage]):
            if error is not None:
                axes.errorbar(x, value, yerr=error, color="black", linewidth=0.7, capsize=2, zorder=3.5)
        if paper[stage] is not None:
            axes.plot(places[-1], min(paper[stage], top), zorder=4, clip_on=False, **marker_of(above[stage]))
    axes.spines[["top", "right"]].set_visible(False)


def draw_low(axes, places: Sequence[float], values: Sequence[float], fill: str) -> None:
    """A thick line in place of each bar that is too low to be seen."""
    low, high = axes.get_ylim()
    flat = [(x, value) for x, value in zip(places, values) if value - low < LOWEST * (high - low)]
    for colour, width in (("black", 3.2), (fill, 2.2)):
        for x, value in flat:
            axes.hlines(value, x - 0.17, x + 0.17, color=colour, linewidth=width, clip_on=False, zorder=3)


def label_groups(axes, titles: list[str], values, paper: list[str] | None, form: str, unit: str = "") -> None:
    """Each group's name with its two values; the last group also has the paper's, if they are shown."""
    changes = [
        f"{form.format(before)} \N{RIGHTWARDS ARROW} {form.format(after)}{unit}" for before, after in zip(*values)
    ]
    labels = [f"{plot_text(title)}\n{numbers}" for title, numbers in zip(titles, changes)]
    if paper:
        labels[-1] += f"\npaper:\n{paper[0]} \N{RIGHTWARDS ARROW} {paper[1]}{unit}"
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0)
