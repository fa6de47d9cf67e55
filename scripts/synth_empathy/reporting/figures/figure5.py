"""Figure 5: the judge's marks of generated data before and after selection, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ...core.absent import UNKNOWN
from ...core.errors import UserError
from ...core.escaping import csv_with_note, plot_text
from ...core.records import REMAKE, Record, is_a, read_json
from ...systems import BEFORE
from ...systems import STAGES as STAGE_FORM
from ..paper_values import NOTHING, PaperStage, other_criteria
from .data import BESIDE, Values, comparison_columns, stdev_or_none
from .style import UNKNOWN_NOTE, WIDTH, format_value, freeze_layout, sheet, style

#: Fill and hatch of the two stages of Figure 5.
STAGES = {"before selection": ("#E69F00", "////"), "after selection": ("#0072B2", "")}
#: A bar below this share of its axis cannot be seen as one.
LOWEST = 0.03
#: Percent: where all of our shares of full marks are below it, whole numbers would not tell them apart.
SMALL_SHARE = 10


@dataclass(frozen=True)
class Judged:
    """One stage of Figure 5: marks from 1 to 3 and shares of full marks (0 to 1), by criterion, then over all of them.

    Attributes:
        criteria: their names, as their files give them; ``titles`` are what people read.
        spread: standard deviation of each mean over the seeds; None with one seed.
        share_spread: the same of the shares.
    """

    criteria: list[str]
    titles: list[str]
    means: list[float]
    spread: Values
    shares: list[float]
    share_spread: Values
    samples: int
    seeds: int
    notes: list[str]
    made_by: tuple[str, str, str]
    stage: str


def judged(paths: list[Path]) -> Judged:
    """One stage's judge summaries, a file a seed, as means over the seeds.

    Raises:
        UserError: a file is missing or no summary, or the files are not of one prompt, stage, judge, mode and set of
            criteria.
    """
    summaries = [read_summary(path) for path in paths]
    if len(set(map(made_how, summaries))) > 1 or len({one["seed"] for one in summaries}) < len(summaries):
        problem = f"{', '.join(map(str, paths))} are not one stage's summaries, one a seed"
        raise UserError(problem, "give files of one prompt, stage, judge and mode, each seed once")
    first = summaries[0]
    means, shares = over_seeds(summaries, "mean"), over_seeds(summaries, "full_share")
    return Judged(
        criteria=list(first["criteria"]),
        titles=[criterion["title"] for criterion in first["criteria"].values()],
        means=[fmean(row) for row in means],
        spread=[stdev_or_none(row) for row in means],
        shares=[fmean(row) for row in shares],
        share_spread=[stdev_or_none(row) for row in shares],
        samples=sum(one["samples"]["scored"] for one in summaries),
        seeds=len(summaries),
        notes=list(dict.fromkeys(one["note"] for one in summaries if one["note"])),
        made_by=(first["prompt"], first["judge"], first["mode"]),
        stage=first["stage"],
    )


def made_how(summary: Record) -> tuple[str, ...]:
    """What the summaries of one stage have in common."""
    words = [str(summary[key]) for key in ("prompt", "stage", "judge", "mode", "temperature")]
    return (*words, *summary["criteria"])


def over_seeds(summaries: list[Record], key: str) -> list[list[float]]:
    """A quantity of each criterion, then of all of them, each a value a seed."""
    rows = []
    for name in summaries[0]["criteria"]:
        rows.append([one["criteria"][name][key] for one in summaries])
    return [*rows, [one["all"][key] for one in summaries]]


def criteria_note(stage: Judged) -> str | None:
    """What Figure 5 says where its criteria are not the paper's; None where they are."""
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
    """Figure 5's numbers: a line a stage, criterion (or all of them) and quantity; the paper's beside those of all.

    Args:
        paper: None where the criteria are not the paper's, so that its numbers are not comparable.

    Mean marks are from 1 to 3. Shares of full marks are from 0 to 1, as the paper's file has them; a lower bound of
    the paper's stays one, and nothing is subtracted from it.
    """
    lines = []
    stages = ("before selection", before), ("after selection", after)
    for (name, stage), known in zip(stages, paper or (NOTHING, NOTHING)):
        for place, criterion in enumerate([*stage.titles, "all"]):
            theirs = known if place == len(stage.titles) else NOTHING
            about = [name, f"{stage.made_by[0]}/{stage.stage}", criterion]
            mark = comparison_columns(stage.means[place], stage.spread[place], theirs.mean)
            share = share_columns(stage.shares[place], stage.share_spread[place], theirs)
            lines.append([*about, "mean mark", *mark])
            lines.append([*about, "share of full marks", *share])
    return csv_with_note(["stage", "judged", "criterion", "quantity", *BESIDE], lines, note)


def share_columns(ours: float, sd: float | None, paper: PaperStage) -> list[str]:
    """The columns ``BESIDE`` of a share of full marks, with four decimals: those of a percentage with two."""
    exact = paper.share is not None and not paper.above
    known = UNKNOWN if paper.share is None else f"{'>' if paper.above else ''}{paper.share:g}"
    deviation = UNKNOWN if sd is None else f"{sd:.4f}"
    return [f"{ours:.4f}", deviation, known, f"{ours - paper.share:+.4f}" if exact else UNKNOWN]


def read_summary(path: Path) -> Record:
    """A judge's summary, with what the figure needs of it in it."""
    summary = read_json(path)
    try:
        parts = [*summary["criteria"].values(), summary["all"]]
        sound = bool(summary["criteria"]) and all(
            1 <= part["mean"] <= 3 and 0 <= part["full_share"] <= 1 for part in parts
        )
        words = [summary[key] for key in ("prompt", "stage", "judge", "mode")] + [summary["note"] or ""]
        words += [criterion["title"] for criterion in summary["criteria"].values()]
        counts = [summary["samples"]["scored"], summary["seed"]]
        summary["temperature"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no judge's summary: {error}", REMAKE) from None
    odd = [word for word in words if not is_a(word, str)] + [count for count in counts if not is_a(count, int)]
    if odd:
        raise UserError(f"{path} is no judge's summary: {odd[0]!r} is a text or a number in another's place", REMAKE)
    if not sound:
        raise UserError(f"{path}: a mean mark is not from 1 to 3, or a share of full marks not from 0 to 1", REMAKE)
    return summary


def check_stages(before: Judged, after: Judged) -> None:
    """Refuse two stages that cannot be compared: twice the same, another prompt, judge, mode or other criteria."""
    if before.stage == after.stage:
        hint = f"give the summaries of two stages: {BEFORE}, and one such as {STAGE_FORM}"
        raise UserError(f"before and after are both {before.stage}", hint)
    if (before.made_by, before.criteria, before.titles) != (after.made_by, after.criteria, after.titles):
        one, other = how_judged(before), how_judged(after)
        hint = "give summaries of one prompt, judge, mode and set of criteria"
        raise UserError(f"before and after were not judged alike: {one}; {other}", hint)


def how_judged(stage: Judged) -> str:
    """Prompt, judge, mode and criteria of a stage."""
    return f"{' / '.join(stage.made_by)} on {', '.join(stage.titles)}"


def draw_figure5(before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None, note: str | None):
    """The judge's marks and the share of full marks, before and after selection (paper, Figure 5).

    Args:
        paper: None where the criteria are not the paper's, so that its numbers are not comparable.
    """
    with style():
        notes = [*judge_notes(before, after), *dict.fromkeys([*before.notes, *after.notes, note or ""])]
        width = max(WIDTH, 0.45 + 0.74 * len(before.means))
        title = "Figure 5: the judge's marks before and after selection"
        figure = sheet(title, 3.7, stage_handles(paper), notes, width=width)
        marks, full = figure.subplots(2, 1)
        marks.set(ylabel="mean mark\n(lowest 1, highest 3)", ylim=(0, 3.25), yticks=[0, 1, 2, 3])
        known = paper or (NOTHING, NOTHING)
        spreads = before.spread, after.spread
        draw_stages(marks, (before.means, after.means), spreads, [stage.mean for stage in known])
        words = [format_value(stage.mean, "{:.2f}") for stage in known] if paper else None
        label_groups(marks, [*before.titles, "Mean"], (before.means, after.means), words, form="{:.2f}")
        draw_full_shares(full, before, after, paper)
        return freeze_layout(figure)


def draw_full_shares(axes, before: Judged, after: Judged, paper: tuple[PaperStage, PaperStage] | None) -> None:
    """The lower half of Figure 5: the share of full marks by criterion, and by all of them at once, in percent."""
    known = paper or (NOTHING, NOTHING)
    shares, spreads = percent(before.shares, after.shares), percent(before.share_spread, after.share_spread)
    [theirs] = percent([stage.share for stage in known])
    axes.set(ylabel="share of full marks (%)", ylim=(0, 108), yticks=[0, 25, 50, 75, 100])
    draw_stages(axes, shares, spreads, theirs, above=[stage.above for stage in known])
    signs = [">" if stage.above else "" for stage in known]
    words = [format_value(value, "{:.0f}", sign) for value, sign in zip(theirs, signs)] if paper else None
    small = max(map(max, shares)) < SMALL_SHARE
    label_groups(axes, [*before.titles, "All at once"], shares, words, form="{:.1f}" if small else "{:.0f}", unit=" %")


def percent(*rows: Sequence[float | None]) -> list[list[float | None]]:
    """Shares in percent."""
    return [list(map(percent_or_none, row)) for row in rows]


def percent_or_none(share: float | None) -> float | None:
    """A share in percent."""
    return None if share is None else 100 * share


def stage_handles(paper: tuple[PaperStage, PaperStage] | None) -> list[Any]:
    """Figure 5's legend: the stages, and the paper's marks where its numbers are shown."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    edge = {"edgecolor": "black", "linewidth": 0.5}
    handles = [Patch(facecolor=fill, hatch=hatch, label=name, **edge) for name, (fill, hatch) in STAGES.items()]
    if paper:
        handles.append(Line2D([], [], **mark_of(False), label="paper"))
    if paper and any(stage.above for stage in paper):
        handles.append(Line2D([], [], **mark_of(True), label="paper: more than"))
    return handles


def judge_notes(before: Judged, after: Judged) -> list[str]:
    """Who judged how many samples, and how far the paper's numbers reach, or why they are not shown."""
    prompt, judge, mode = after.made_by
    seeds = f"; bars: means over {after.seeds} seeds, whiskers: their standard deviation" if after.seeds > 1 else ""
    judged = f"{prompt}, {after.stage}; judge {judge} ({mode})"
    counts = f"{before.samples:,} samples before, {after.samples:,} after"
    paper = f"The paper's numbers are over all criteria together. {UNKNOWN_NOTE}."
    return [f"{judged}; {counts}{seeds}. {criteria_note(before) or paper}"]


def mark_of(above: bool) -> dict[str, Any]:
    """The marker of the paper's number; another where it is a lower bound."""
    return {
        "marker": "^" if above else "D",
        "color": "black",
        "markerfacecolor": "white",
        "linestyle": "none",
        "markersize": 4.5,
    }


def draw_stages(axes, values, spreads, paper: Sequence[float | None], above: Sequence[bool] = (False, False)) -> None:
    """Two bars a group, before and after; the paper's numbers as markers over the last group's.

    The axes have their limits already, by which it is known which bars are too low to be seen.
    """
    for stage, (fill, hatch) in enumerate(STAGES.values()):
        places = [group + (stage - 0.5) * 0.36 for group in range(len(values[stage]))]
        axes.bar(places, values[stage], width=0.34, facecolor=fill, hatch=hatch, edgecolor="black", linewidth=0.5)
        draw_low(axes, places, values[stage], fill)
        for x, value, error in zip(places, values[stage], spreads[stage]):
            if error is not None:
                axes.errorbar(x, value, yerr=error, color="black", linewidth=0.7, capsize=2, zorder=3.5)
        if paper[stage] is not None:
            axes.plot(places[-1], paper[stage], zorder=4, **mark_of(above[stage]))
    axes.spines[["top", "right"]].set_visible(False)


def draw_low(axes, places: Sequence[float], values: Sequence[float], fill: str) -> None:
    """A thick line in place of each bar that would be too low to be seen."""
    low, high = axes.get_ylim()
    seen = [(x, value) for x, value in zip(places, values) if value - low < LOWEST * (high - low)]
    for colour, width in (("black", 3.2), (fill, 2.2)):
        for x, value in seen:
            axes.hlines(value, x - 0.17, x + 0.17, color=colour, linewidth=width, clip_on=False, zorder=3)


def label_groups(axes, titles: list[str], values, paper: list[str] | None, form: str, unit: str = "") -> None:
    """Each group's name and both values under it; under the last the paper's, too, where they are shown."""
    both = [f"{form.format(before)} \N{RIGHTWARDS ARROW} {form.format(after)}{unit}" for before, after in zip(*values)]
    labels = [f"{plot_text(title)}\n{numbers}" for title, numbers in zip(titles, both)]
    if paper:
        labels[-1] += f"\npaper:\n{paper[0]} \N{RIGHTWARDS ARROW} {paper[1]}{unit}"
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0)
