"""What a claim is tested on: quantities by name, out of a run's results or out of the paper's own tables.

A quantity is three words, or two:

    cell BASE/TRAINING_SET METRIC        a system's value in a table: cell qwen1.5-7b-chat/ed cider
    judged JUDGE/PROMPT/STAGE ITEM       a judge's mean or full_share, before or after selection
    human BASELINE ITEM                  win, loss or tie against a baseline, in percent of the judgements
    generated PROMPT ITEM                outputs, dialogues or samples
    ed ITEM                              conversations, utterances, labels, largest_label, ...; or conversations/train

What the paper gives as a bound (more than 95 %), or leaves to be inferred (a loss rate beside a win rate), is an interval.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean
from typing import Protocol

from ..core.csv_files import RESTORE, Line, read_csv
from ..core.errors import UserError
from ..core.records import ED_SAMPLE, Record, check_seal, field_at, read_json, read_jsonl
from ..core.yaml_files import shortened
from ..reporting import cells, paper_values
from ..reporting.paper_values import PAPER_MEAN, PAPER_SHARE, other_criteria
from ..systems import BEFORE, ED

SPLITS = ("train", "valid", "test")
#: Test samples of the paper's tables: ED's test split as its line of research prepares it (docs/deviations.md).
TEST_SAMPLES = 5255
#: Every file of a run that a claim may rest on.
FILES = (
    "cells/*/*/*/*.json",
    "judged/*/*/*.summary.json",
    "figures/figure7.csv",
    "synthetic/*/parse_summary.json",
    "synthetic/*/samples.jsonl",
    "ed/report.json",
    "ed/*.jsonl",
)
#: Files up to this size are compared by content, larger ones by size and time.
SMALL = 1_000_000

#: No quantity is larger; with numbers up to it nothing that claims compute overflows.
LARGEST = 1e15


@dataclass(frozen=True)
class Value:
    """A number between ``low`` and ``high``, which are equal for whatever was measured; and its value of each seed."""

    low: float
    high: float
    by_seed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, number: float, by_seed: dict[str, float] | None = None) -> Value:
        """A number that is known."""
        return cls(number, number, by_seed or {})

    def __str__(self) -> str:
        return shown(self.low) if self.low == self.high else f"{shown(self.low)} to {shown(self.high)}"


def shown(number: float) -> str:
    """A number to four decimals, without the zeros that end it."""
    return f"{number:,.4f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Missing:
    """Why a quantity is not there, as a sentence without its full stop."""

    reason: str


class Numbers(Protocol):
    """Anything that knows quantities by name."""

    def value(self, quantity: str) -> Value | Missing:
        """A quantity, or why it is not there."""
        ...


def parts_of(quantity: str) -> tuple[str, list[str], str]:
    """A quantity's source, the parts of its address, and its item.

    Raises:
        UserError: it is none of the forms above.
    """
    words = quantity.split()
    if len(words) == 2 and words[0] == "ed":
        return "ed", [], words[1]
    if len(words) == 3 and words[0] in ADDRESSES and words[2] in ITEMS[words[0]]:
        address = words[1].split("/")
        if len(address) == ADDRESSES[words[0]] and all(map(NAME.fullmatch, address)):
            return words[0], address, words[2]
    forms = "cell BASE/TRAINING_SET METRIC, judged JUDGE/PROMPT/STAGE ITEM, human BASELINE ITEM, generated PROMPT ITEM, ed ITEM"
    raise UserError(
        f"{shortened(repr(quantity))} is no quantity",
        f"write one of: {forms} (scripts/synth_empathy/claims/evidence.py has the items)",
    )


#: How many names the address of a source has, and what they may be: parts of paths, and nothing that glob takes for more.
ADDRESSES = {"cell": 2, "judged": 3, "human": 1, "generated": 1}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
ITEMS = {
    "cell": tuple(cells.HEADINGS),
    "judged": ("mean", "full_share"),
    "human": ("win", "loss", "tie"),
    "generated": ("outputs", "dialogues", "samples"),
}


class Results:
    """The quantities that stand in a run's results now; reads, and makes nothing.

    Args:
        folder: results/{run}.
        systems: as of ``Paper``.
        dataset: the run's data set; claims are about ED.
    """

    def __init__(self, folder: Path, systems: dict[str, dict[str, str]], dataset: str = ED):
        self.folder = folder
        self.systems = systems
        self.dataset = dataset

    def value(self, quantity: str) -> Value | Missing:
        """A quantity from the run's files, its mean over seeds where there are several, or what is missing."""
        source, address, item = parts_of(quantity)
        if source == "cell":
            return self._cell(*address, item)
        if source == "judged":
            return self._judged(*address, item)
        if source == "human":
            return self._human(*address, item)
        if source == "generated":
            return self._generated(*address, item)
        return self._ed(item)

    def lacks(self, files: str) -> bool:
        """Whether the run has no file of a pattern below its folder."""
        return not files_like(self.folder, files)

    def unlike(self, files: str, hold: dict[str, object]) -> Missing | None:
        """What keeps files of the run from saying what they have to: the first that says something else; None where all say so.

        Asked are the files, and not the configuration: they say what made them, it what was asked for last.

        Args:
            files: a pattern below the run's folder.
            hold: values by place, a place as ``made_by: models``.
        """
        for path in files_like(self.folder, files):
            document = read_json(path)
            for place, value in hold.items():
                found = field_at(document, place)
                if found != value:
                    return Missing(f"{path.relative_to(self.folder)}: {place} is {told(found)}, not {told(value)}")
        return None

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], list[Path]]:
        """The cell files of all tables by base, training set and metric."""
        found: dict[tuple[str, str, str], list[Path]] = {}
        for path in files_like(self.folder, "cells/*/*/*/*.json"):
            base, training_set, name = path.parts[-3:]
            found.setdefault((base, training_set, Path(name).stem), []).append(path)
        return found

    def _cell(self, base: str, training_set: str, metric: str) -> Value | Missing:
        """A cell of any table: they are views of the same metrics, and have to agree."""
        paths = self._cells.get((base, training_set, metric), [])
        if not paths:
            bases = sorted({known for known, *_ in self._cells})
            if bases and base not in bases:
                return Missing(f"this run's systems are {', '.join(bases)}, and the claim names {base}")
            return Missing(f"there is no cell {base}/{training_set}/{metric}.json")
        found = [cell_value(path) for path in paths]
        absent = [value for value in found if isinstance(value, Missing)]
        if absent:
            return absent[0]
        if len({value.low for value in found}) > 1:
            return Missing(
                f"the cells {' and '.join(str(path.relative_to(self.folder)) for path in paths)} disagree: build both tables again"
            )
        return found[0]

    def _judged(self, judge: str, prompt: str, stage: str, item: str) -> Value | Missing:
        """A judge's result over all of the paper's criteria, by seed; over others it is no test of the claims."""
        by_seed = {}
        for path in files_like(self.folder, f"judged/{prompt}/{stage}/seed*.summary.json"):
            summary = read_json(path)
            if field_of(summary, "judge", path) != judge:
                return Missing(
                    f"{path.relative_to(self.folder)} is by {summary['judge']}, and the claim is about {judge}"
                )
            criteria = field_of(summary, "criteria", path)
            if not isinstance(criteria, dict):
                shown_part = shortened(told(criteria), 80)
                raise damaged(path, f"the field 'criteria' is {shown_part}, which is no JSON object")
            other = other_criteria(criteria)
            if other:
                return Missing(f"{path.relative_to(self.folder)} is {other}")
            by_seed[path.name.split(".")[0].removeprefix("seed")] = number_of(
                field_of(summary, "all", path), item, path
            )
        if not by_seed:
            return Missing(f"there is no judged/{prompt}/{stage}/seed*.summary.json")
        return Value.of(fmean(by_seed.values()), by_seed)

    def _human(self, baseline: str, item: str) -> Value | Missing:
        """A share of all judgements against a baseline, over all criteria, in percent."""
        path = self.folder / "figures" / "figure7.csv"
        if not path.is_file():
            return Missing("there is no figures/figure7.csv: no judgements by people")
        row = human_line(path, self.systems.get(baseline, {}).get("row"))
        if row is None:
            return Missing(f"figures/figure7.csv has no judgements against {baseline}")
        if row["made_up"] != "no":
            return Missing("the judgements of figures/figure7.csv are made up: nobody judged anything")
        if row["counted"] != "judgements":
            return Missing(
                "figures/figure7.csv counts majorities, and the paper's percentages fit single judgements only"
            )
        total = row.number_of(row["total"], "total", least=1)
        return Value.of(100 * row.number_of(row[item], item, least=0, most=total) / total)

    def _generated(self, prompt: str, item: str) -> Value | Missing:
        """How many outputs, dialogues or samples there are."""
        folder = self.folder / "synthetic" / prompt
        path = folder / ("samples.jsonl" if item == "samples" else "parse_summary.json")
        if not path.is_file():
            return Missing(f"there is no {path.relative_to(self.folder)}")
        return Value.of(lines_of(path) if item == "samples" else number_of(read_json(path), item, path))

    def _ed(self, item: str) -> Value | Missing:
        """A count of ED: of one split (conversations/train) or of all three, or of its emotion labels."""
        name, _, split = item.partition("/")
        if name in ("labels", "largest_label", "smallest_label"):
            return self._label(name)
        path = self.folder / "ed" / "report.json"
        if not path.is_file():
            return Missing("there is no ed/report.json")
        report = read_json(path)
        parts = [split] if split else SPLITS
        return Value.of(sum(number_of(field_of(report, part, path), name, path) for part in parts))

    def _label(self, name: str) -> Value | Missing:
        """The number of ED's emotion labels, or the conversations of the most or least frequent one."""
        path = self.folder / "ed" / "report.json"
        absent = [
            file
            for file in ("report.json", *(f"{split}.jsonl" for split in SPLITS))
            if not (self.folder / "ed" / file).is_file()
        ]
        if absent:
            return Missing(f"there is no ed/{absent[0]}")
        report = read_json(path)
        parts = {split: field_of(report, split, path) for split in SPLITS}
        kept = {split: number_of(part, "kept", path) for split, part in parts.items()}
        cut = [split for split, part in parts.items() if kept[split] != number_of(part, "samples", path)]
        if cut:
            return Missing(f"ed/{cut[0]}.jsonl holds a part of the split only (datasets: ed: keep)")
        counts = Counter(self._emotions.values())
        if not counts:
            return Missing("ed/*.jsonl hold no samples")
        return Value.of(
            {"labels": len(counts), "largest_label": max(counts.values()), "smallest_label": min(counts.values())}[
                name
            ]
        )

    @cached_property
    def _emotions(self) -> dict[tuple[str, str], str]:
        """Each conversation's label."""
        records = (
            (split, record)
            for split in SPLITS
            for record in read_jsonl(self.folder / "ed" / f"{split}.jsonl", ED_SAMPLE)
        )
        return {(split, record["conv_id"]): record["emotion"] for split, record in records}


def human_line(path: Path, baseline: str | None) -> Line | None:
    """What a run's Figure 7 says of a baseline over all criteria; None where nobody judged it."""
    columns = ("counted", "total", *ITEMS["human"], "made_up")
    again = "delete it and make it again: snakemake figure7"
    lines = read_csv(path, columns, unique=("baseline", "criterion"), hint=again)
    return next((line for line in lines if (line["baseline"], line["criterion"]) == (baseline, "all")), None)


def cell_value(path: Path) -> Value | Missing:
    """A cell's value by the paper's protocol on the whole test split; anything else is no test of the paper's claims."""
    cell = cells.read_cell(path)
    place = "/".join(path.parts[-4:])
    if cell.value is None:
        return Missing(f"{place} is empty: {cell.why_null}")
    if cell.metric in cells.METRICS and cell.protocol != "paper":
        return Missing(f"{place} is by the {cell.protocol} protocol, not by the paper's")
    if cell.metric in cells.METRICS and cell.test_samples != TEST_SAMPLES:
        return Missing(f"{place} is of {cell.test_samples} test samples, the paper's of {TEST_SAMPLES:,}")
    return Value.of(float(cell.value), cell.by_seed)


def damaged(path: Path, reason: str) -> UserError:
    """The error for a file of the run that is not as a step writes it."""
    hint = "delete the file and run the step that makes it again (docs/files.md says which)"
    return UserError(f"{path}: {reason}", hint)


def field_of(record: Record, name: str, path: Path) -> object:
    """A field that a file must have."""
    if not isinstance(record, dict) or name not in record:
        raise damaged(path, f"the field {name!r} is missing")
    return record[name]


def number_of(record: Record, name: str, path: Path) -> float:
    """A field that a file must have, and that is a finite number.

    Raises:
        UserError: it is missing, or something else.
    """
    value = field_of(record, name, path)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not abs(value) <= LARGEST:
        raise damaged(path, f"the field {name!r} is {shortened(told(value), 80)}, which is no finite number")
    return value


def told(value: object) -> str:
    """A value in a sentence; of a hash its beginning."""
    text = json.dumps(value)
    return f"{text[:9]}..." if isinstance(value, str) and len(value) == 64 else text


def files_like(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that a pattern names, in order."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def lines_of(path: Path) -> int:
    """How many lines a file has; one that is not what was written is refused."""
    check_seal(path)
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def files_of(folder: Path) -> Iterator[Path]:
    """The files of a run that claims rest on, in order."""
    for pattern in FILES:
        yield from files_like(folder, pattern)


def digest(folder: Path) -> str:
    """A hash that changes when any file that a claim rests on appears, disappears or changes."""
    whole = hashlib.sha256()
    for path in files_of(folder):
        state = path.stat()
        content = path.read_bytes() if state.st_size <= SMALL else f"{state.st_size} {state.st_mtime_ns}".encode()
        whole.update(f"{path.relative_to(folder)}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


class Paper:
    """The paper's own numbers, as far as a text that we have holds them.

    Args:
        folder: resources/paper.
        systems: the systems of Table 1 by name, each with base, training_set and the row's title in table1.csv.
    """

    def __init__(self, folder: Path, systems: dict[str, dict[str, str]]):
        self.folder = folder
        self.systems = systems

    def value(self, quantity: str) -> Value | Missing:
        """A quantity as the paper prints it or as its bounds follow from what it prints."""
        source, address, item = parts_of(quantity)
        if source == "cell":
            known = self._cells.get((*address, item))
            return Missing("its row is in no text that we have") if known is None else Value.of(known)
        if source == "judged":
            return self._judged(address[-1], item)
        if source == "human":
            return self._human(*address, item)
        return Missing("the paper gives it nowhere but in the claim itself")

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], float]:
        """All tables by base, training set and metric; Tables 2 to 4 name their rows so."""
        first = paper_values.read_table(self.folder / "table1.csv")
        rows = [
            (f"{system['base']}/{system['training_set']}", self._row(first, system["row"]))
            for system in self.systems.values()
        ]
        for name in ("table2", "table3", "table4"):
            rows += paper_values.read_table(self.folder / f"{name}.csv").items()
        found: dict[tuple[str, str, str], float] = {}
        for system, values in rows:
            base, slash, training_set = system.partition("/")
            if not slash or "/" in training_set:
                raise UserError(
                    f"a table of {self.folder} has the row {system!r}, which is no BASE/TRAINING_SET", RESTORE
                )
            for metric, value in values.items():
                if found.setdefault((base, training_set, metric), value) != value:
                    raise UserError(f"two tables of {self.folder} disagree on {system} {metric}", RESTORE)
        return found

    def _row(self, table: Mapping[str, Mapping[str, float]], title: str) -> Mapping[str, float]:
        """A row of Table 1."""
        if title not in table:
            hint = "correct the system's row in claims.yaml, or restore both from the repository (git checkout)"
            raise UserError(f"{self.folder / 'table1.csv'} has no row {title!r}, which claims.yaml names", hint)
        return table[title]

    def _judged(self, stage: str, item: str) -> Value | Missing:
        """Section 3.4's scores; a share of full marks above a bound is anything up to 1."""
        name = "before selection" if stage == BEFORE else "after selection"
        row = line_of(self.folder / "figure5.csv", "stage", name)
        column = PAPER_MEAN if item == "mean" else PAPER_SHARE
        text = row[column]
        if not text:
            return Missing("no text that we have gives it")
        number = row.number_of(text.removeprefix(">"), column, least=0, most=3 if item == "mean" else 1)
        return Value(math.nextafter(number, 1.0), 1.0) if text.startswith(">") else Value.of(number)

    def _human(self, baseline: str, item: str) -> Value | Missing:
        """Section 4.3's percentages; one that is not given lies between 0 and what the others leave."""
        title = self.systems.get(baseline, {}).get("row")
        if title is None:
            return Missing(f"the paper gives no judgements against {baseline}")
        row = line_of(self.folder / "figure7.csv", "baseline", title)
        values = {name: row.value(f"{name}_pct", least=0, most=100) for name in ITEMS["human"]}
        known = {name: value for name, value in values.items() if value is not None}
        return Value.of(known[item]) if item in known else Value(0.0, 100 - sum(known.values()))


#: What the paper's files of numbers must have beside the column that names a line.
COLUMNS = {"stage": (PAPER_MEAN, PAPER_SHARE), "baseline": tuple(f"{name}_pct" for name in ITEMS["human"])}


@cache
def line_of(path: Path, column: str, name: str) -> Line:
    """The line of one of the paper's files, which do not change while we look, that has a name in a column.

    Raises:
        UserError: the file is not as it must be, or has no such line.
    """
    for line in read_csv(path, COLUMNS[column], unique=(column,)):
        if line[column] == name:
            return line
    raise UserError(f"{path} has no {column} {name!r}", RESTORE)
