"""The human A/B test (paper, section 4.1.3): judgements of our response against a baseline's, by criterion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..core.absent import UNKNOWN
from ..core.errors import UserError, nearest
from ..core.escaping import csv_with_note
from ..core.records import JUDGEMENT, Record, read_jsonl

#: The paper's four criteria, in its order.
CRITERIA = ("coherence", "empathy", "informativeness", "continuity")
#: From our system's side.
VERDICTS = ("win", "tie", "loss")
#: What one percentage counts: every evaluator's judgement, or the majority of each example and criterion.
COUNTS = ("judgements", "majority")
#: The name of all four criteria together, which the paper's figure shows.
ALL = "all"
HINT = "correct the file; docs/human-evaluation.md says what it holds"
EXAMPLE_HINT = (
    "give as example the id of the test sample whose responses were judged (test.jsonl of the data set, or the"
    " archive's test_ids.json), or run with the settings of the data set that the judged responses were made with"
)
UNEVEN_HINT = (
    "every example needs the same number of evaluators on all four criteria:"
    " add what is missing, or leave the example out"
)
COLUMNS = ["baseline", "criterion", "counted", "total", *VERDICTS, *(f"{verdict}_pct" for verdict in VERDICTS)]
COLUMNS += [f"{what}_{verdict}_pct" for what in ("paper", "difference") for verdict in VERDICTS]
COLUMNS += ["examples", "evaluators", "made_up"]


@dataclass(frozen=True)
class Result:
    """Verdicts against one baseline.

    Attributes:
        counts: how often each verdict was counted, by criterion and for ``ALL``.
        evaluators: the number of evaluators of each example and criterion.
        made_up: whether any judgement is marked as made up.
    """

    baseline: str
    counts: dict[str, Counter[str]]
    examples: int
    evaluators: int
    made_up: bool

    def shares(self, criterion: str = ALL) -> dict[str, float]:
        """Percentages of win, tie and loss, which sum to 100."""
        counts = self.counts[criterion]
        return {verdict: 100 * counts[verdict] / counts.total() for verdict in VERDICTS}


def read_judgements(path: Path, baselines: list[str], test_ids: Collection[str] | None = None) -> list[Record]:
    """Read a file of judgements.

    Every judgement has a known verdict, criterion and baseline, none is repeated, and every baseline is judged.

    Args:
        test_ids: the run's test samples. The examples must be among them, except those of made-up judgements, for
            which nobody saw any responses. None leaves the examples unchecked.

    Raises:
        UserError: a judgement is faulty or a baseline has none; names the line or the baseline.
    """
    records = read_jsonl(path, JUDGEMENT, unique=None)
    seen: dict[tuple[str, ...], int] = {}
    for number, record in enumerate(records, start=1):
        where = f"{path}, line {number}"
        check_judgement(record, baselines, test_ids, where=where)
        judged = record["example"], record["baseline"], record["criterion"], record["evaluator"]
        first = seen.setdefault(judged, number)
        if first != number:
            problem = f"{where}: this evaluator judged this example on this criterion on line {first} already"
            raise UserError(problem, HINT)
    judged_baselines = {record["baseline"] for record in records}
    missing = [name for name in baselines if name not in judged_baselines]
    if missing:
        problem = f"{path} has no judgement against {', '.join(missing)}"
        raise UserError(problem, f"add them, or leave the baseline out of human: baselines; or {HINT}")
    return records


def check_judgement(record: Record, baselines: list[str], test_ids: Collection[str] | None, *, where: str) -> None:
    """Refuse a judgement with an unknown verdict, criterion, baseline or example; ``where`` opens the message."""
    for key, known in (("verdict", VERDICTS), ("criterion", CRITERIA), ("baseline", baselines)):
        if record[key] not in known:
            raise UserError(f"{where}: there is no {key} {record[key]!r}{nearest(record[key], known)}", HINT)
    if not isinstance(record.get("made_up", False), bool):
        raise UserError(f"{where}: the field 'made_up' is neither true nor false", HINT)
    if test_ids is not None and record["example"] not in test_ids and not made_up([record]):
        example = f"the example {record['example']!r} is none of this run's {len(test_ids):,} test samples"
        raise UserError(f"{where}: {example}", EXAMPLE_HINT)


def made_up(records: Iterable[Record]) -> bool:
    """Whether any judgement is marked as made up."""
    return any(record.get("made_up", False) for record in records)


def results(records: list[Record], baselines: list[str], count: str) -> list[Result]:
    """The counts against each baseline.

    Raises:
        UserError: an example was judged on some criteria only, or by more evaluators than another, so that examples
            would have different weights.
    """
    by_baseline: dict[str, list[Record]] = {name: [] for name in baselines}
    for record in records:
        by_baseline[record["baseline"]].append(record)
    return [result(judged, name, count) for name, judged in by_baseline.items()]


def result(records: list[Record], baseline: str, count: str) -> Result:
    """The counts against one baseline, from its judgements."""
    panels: dict[tuple[str, str], list[str]] = {}
    for record in records:
        panels.setdefault((record["example"], record["criterion"]), []).append(record["verdict"])
    examples = list(dict.fromkeys(example for example, _ in panels))
    evaluators = max(map(len, panels.values()))
    uneven = [place for place in product(examples, CRITERIA) if len(panels.get(place, [])) != evaluators]
    if uneven:
        example, criterion = uneven[0]
        judgements = f"{len(panels.get(uneven[0], []))} of {evaluators} judgements of {criterion}"
        problem = f"against {baseline}, {example} has {judgements} ({len(uneven)} such cases)"
        raise UserError(problem, UNEVEN_HINT)
    counts = {criterion: Counter() for criterion in (*CRITERIA, ALL)}
    for (_, criterion), verdicts in panels.items():
        counted = verdicts if count == "judgements" else [majority(verdicts)]
        counts[criterion].update(counted)
        counts[ALL].update(counted)
    return Result(baseline, counts, examples=len(examples), evaluators=evaluators, made_up=made_up(records))


def majority(verdicts: list[str]) -> str:
    """The verdict of most evaluators; a tie if several verdicts share the lead."""
    (first, most), *others = Counter(verdicts).most_common()
    return "tie" if others and others[0][1] == most else first


def as_csv(results: list[Result], count: str, paper: dict[str, dict[str, float]], note: str | None = None) -> str:
    """One line a baseline and criterion; those of all criteria have the paper's percentages and the differences."""
    lines = []
    for result in results:
        for criterion, counts in result.counts.items():
            known = paper.get(result.baseline, {}) if criterion == ALL else {}
            line = [result.baseline, criterion, count, counts.total(), *(counts[verdict] for verdict in VERDICTS)]
            line += percentages(result.shares(criterion), known)
            lines.append([*line, result.examples, result.evaluators, "yes" if result.made_up else "no"])
    return csv_with_note(COLUMNS, lines, note)


def percentages(shares: dict[str, float], known: dict[str, float]) -> list[str]:
    """Our percentages by verdict, the paper's, and the differences."""
    ours = [f"{shares[verdict]:.2f}" for verdict in VERDICTS]
    papers = [f"{known[verdict]:.1f}" if verdict in known else UNKNOWN for verdict in VERDICTS]
    changes = [f"{shares[verdict] - known[verdict]:+.2f}" if verdict in known else UNKNOWN for verdict in VERDICTS]
    return [*ours, *papers, *changes]
