"""Judgements of the human A/B test (paper, section 4.1.3): our response against a baseline's, by criterion."""

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
#: What one percentage counts: each evaluator's judgement for itself, or what most evaluators of an example and
#: criterion said.
COUNTS = ("judgements", "majority")
#: The criterion under which all four are counted together: what the paper's figure shows.
ALL = "all"
HINT = "correct the file; docs/human-evaluation.md says what it holds"
EXAMPLE_HINT = (
    "give as example the id of the test sample whose responses were judged (test.jsonl of the run's data set, or the archive's test_ids.json), "
    "or run with the settings of the data set that the judged responses were made with"
)
COLUMNS = ["baseline", "criterion", "counted", "total", *VERDICTS, *(f"{verdict}_pct" for verdict in VERDICTS)]
COLUMNS += [f"{what}_{verdict}_pct" for what in ("paper", "difference") for verdict in VERDICTS]
COLUMNS += ["examples", "evaluators", "made_up"]


@dataclass(frozen=True)
class Result:
    """Verdicts against one baseline.

    Attributes:
        counts: by criterion, and ``ALL``: how often each verdict was counted.
        evaluators: how many judged each example on each criterion.
        made_up: whether any of the judgements says of itself that nobody gave it.
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
    """The judgements of a file, each of a known verdict, criterion and baseline, none twice, every baseline judged.

    Args:
        test_ids: the run's test samples; the examples must be of them, but for judgements that say they are made up:
            nobody saw any responses then. None leaves examples unchecked.

    Raises:
        UserError: names the line, or the baseline that nobody judged.
    """
    records = read_jsonl(path, JUDGEMENT, unique=None)
    seen: dict[tuple[str, ...], int] = {}
    for number, record in enumerate(records, start=1):
        where = f"{path}, line {number}"
        for key, known in (("verdict", VERDICTS), ("criterion", CRITERIA), ("baseline", baselines)):
            if record[key] not in known:
                raise UserError(f"{where}: there is no {key} {record[key]!r}{nearest(record[key], known)}", HINT)
        if not isinstance(record.get("made_up", False), bool):
            raise UserError(f"{where}: the field 'made_up' is neither true nor false", HINT)
        if test_ids is not None and record["example"] not in test_ids and not record.get("made_up", False):
            raise UserError(
                f"{where}: the example {record['example']!r} is none of this run's {len(test_ids):,} test samples",
                EXAMPLE_HINT,
            )
        judged = record["example"], record["baseline"], record["criterion"], record["evaluator"]
        first = seen.setdefault(judged, number)
        if first != number:
            raise UserError(
                f"{where}: this evaluator judged this example on this criterion on line {first} already", HINT
            )
    given = {record["baseline"] for record in records}
    lacking = [name for name in baselines if name not in given]
    if lacking:
        raise UserError(
            f"{path} has no judgement against {', '.join(lacking)}",
            f"add them, or leave the baseline out of human: baselines; or {HINT}",
        )
    return records


def made_up(records: Iterable[Record]) -> bool:
    """Whether any judgement says of itself that nobody gave it."""
    return any(record.get("made_up", False) for record in records)


def results(records: list[Record], baselines: list[str], count: str) -> list[Result]:
    """The counts against each baseline.

    Raises:
        UserError: an example was judged on some criteria only, or by more evaluators than another: they would not
            weigh alike.
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
    short = [place for place in product(examples, CRITERIA) if len(panels.get(place, [])) != evaluators]
    if short:
        example, criterion = short[0]
        number = len(panels.get(short[0], []))
        raise UserError(
            f"against {baseline}, {example} has {number} of {evaluators} judgements of {criterion} ({len(short)} such cases)",
            "every example needs the same number of evaluators on all four criteria: add what is missing, or leave the example out",
        )
    counts = {criterion: Counter() for criterion in (*CRITERIA, ALL)}
    for (_, criterion), verdicts in panels.items():
        counted = verdicts if count == "judgements" else [majority(verdicts)]
        counts[criterion].update(counted)
        counts[ALL].update(counted)
    return Result(baseline, counts, examples=len(examples), evaluators=evaluators, made_up=made_up(records))


def majority(verdicts: list[str]) -> str:
    """The verdict that most evaluators gave; a tie where no verdict has the most."""
    (first, most), *others = Counter(verdicts).most_common()
    return "tie" if others and others[0][1] == most else first


def as_csv(found: list[Result], count: str, paper: dict[str, dict[str, float]], note: str | None = None) -> str:
    """One line a baseline and criterion; beside those of all criteria the paper's percentages, and ours less them."""
    lines = []
    for row in found:
        for criterion, counts in row.counts.items():
            known = paper.get(row.baseline, {}) if criterion == ALL else {}
            line = [row.baseline, criterion, count, counts.total(), *(counts[verdict] for verdict in VERDICTS)]
            line += percentages(row.shares(criterion), known)
            lines.append([*line, row.examples, row.evaluators, "yes" if row.made_up else "no"])
    return csv_with_note(COLUMNS, lines, note)


def percentages(shares: dict[str, float], known: dict[str, float]) -> list[str]:
    """Our percentages by verdict, the paper's, and the differences."""
    ours = [f"{shares[verdict]:.2f}" for verdict in VERDICTS]
    papers = [f"{known[verdict]:.1f}" if verdict in known else UNKNOWN for verdict in VERDICTS]
    changes = [f"{shares[verdict] - known[verdict]:+.2f}" if verdict in known else UNKNOWN for verdict in VERDICTS]
    return [*ours, *papers, *changes]
