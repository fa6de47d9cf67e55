"""The quantities that a run's results hold now. This module only reads: it makes no result."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from statistics import fmean

from ..core.csv_files import Line, read_csv
from ..core.errors import UserError
from ..core.files import check_seal
from ..core.json_files import field_at, read_json
from ..core.records import ED_SAMPLE, Record, read_jsonl
from ..core.yaml_files import shortened
from ..reporting import cells
from ..reporting.paper_values import other_criteria
from ..systems import ED
from .quantities import ITEMS, Missing, Value, parts_of

SPLITS = ("train", "valid", "test")
#: Test samples of the paper's tables: ED's test split as the MoEL/EmpDG preprocessing makes it (docs/deviations.md).
TEST_SAMPLES = 5255
#: Every file of a run that a claim may depend on.
FILES = (
    "cells/*/*/*/*.json",
    "judged/*/*/*.summary.json",
    "figures/figure7.csv",
    "synthetic/*/parse_summary.json",
    "synthetic/*/samples.jsonl",
    "ed/report.json",
    "ed/*.jsonl",
)
#: Files of up to so many bytes are compared by content, larger ones by size and time.
SMALL = 1_000_000
#: The largest number in a file that is taken. Nothing that claims compute from such numbers overflows.
LARGEST = 1e15


class Results:
    """The quantities that a run's results hold now.

    Args:
        folder: results/{run}.
        systems: as of ``paper_numbers.Paper``.
        dataset: the run's data set; claims are about ED.
    """

    def __init__(self, folder: Path, systems: dict[str, dict[str, str]], dataset: str = ED):
        self.folder = folder
        self.systems = systems
        self.dataset = dataset

    def value(self, quantity: str) -> Value | Missing:
        """A quantity from the run's files, its mean over seeds if there are several; or what is missing."""
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

    def has_none_of(self, pattern: str) -> bool:
        """Whether the run has no file that fits a pattern below its folder."""
        return not matching_files(self.folder, pattern)

    def unmet_condition(self, pattern: str, expected: dict[str, object]) -> str | None:
        """The first field of the run's files whose value is not the expected one, as a sentence; None if all are.

        Checks the files, which record what made them; the configuration records only the last request.

        Args:
            pattern: of files below the run's folder.
            expected: values by the place of a field, such as ``made_by: models``.
        """
        for path in matching_files(self.folder, pattern):
            document = read_json(path)
            for place, value in expected.items():
                actual = field_at(document, place)
                if actual != value:
                    name = path.relative_to(self.folder)
                    return f"{name}: {place} is {quoted(actual)}, not {quoted(value)}"
        return None

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], list[Path]]:
        """The cell files of all tables by base, training set and metric."""
        paths: dict[tuple[str, str, str], list[Path]] = {}
        for path in matching_files(self.folder, "cells/*/*/*/*.json"):
            base, training_set, name = path.parts[-3:]
            paths.setdefault((base, training_set, Path(name).stem), []).append(path)
        return paths

    def _cell(self, base: str, training_set: str, metric: str) -> Value | Missing:
        """A cell of any table. Several tables show the same metrics, and must agree."""
        paths = self._cells.get((base, training_set, metric), [])
        if not paths:
            bases = sorted({name for name, *_ in self._cells})
            if bases and base not in bases:
                return Missing(f"this run's systems are {', '.join(bases)}, and the claim names {base}")
            return Missing(f"there is no cell {base}/{training_set}/{metric}.json")
        values = [cell_value(path) for path in paths]
        for value in values:
            if isinstance(value, Missing):
                return value
        if len({value.low for value in values}) > 1:
            names = " and ".join(str(path.relative_to(self.folder)) for path in paths)
            return Missing(f"the cells {names} disagree: build both tables again")
        return values[0]

    def _judged(self, judge: str, prompt: str, stage: str, item: str) -> Value | Missing:
        """A judge's result over all of the paper's criteria, by seed; a result over others tests no claim."""
        by_seed = {}
        for path in matching_files(self.folder, f"judged/{prompt}/{stage}/seed*.summary.json"):
            name = path.relative_to(self.folder)
            summary = read_json(path)
            if field_of(summary, "judge", path) != judge:
                return Missing(f"{name} is by {summary['judge']}, and the claim is about {judge}")
            criteria = field_of(summary, "criteria", path)
            if not isinstance(criteria, dict):
                text = shortened(quoted(criteria), 80)
                raise damaged(path, f"the field 'criteria' is {text}, which is not a JSON object")
            other = other_criteria(criteria)
            if other:
                return Missing(f"{name} is {other}")
            seed = path.name.split(".")[0].removeprefix("seed")
            by_seed[seed] = number_of(field_of(summary, "all", path), item, path)
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
            reason = "the paper's percentages fit single judgements only"
            return Missing(f"figures/figure7.csv counts majorities, and {reason}")
        total = row.number_of(row["total"], "total", least=1)
        return Value.of(100 * row.number_of(row[item], item, least=0, most=total) / total)

    def _generated(self, prompt: str, item: str) -> Value | Missing:
        """The number of outputs, dialogues or samples."""
        folder = self.folder / "synthetic" / prompt
        path = folder / ("samples.jsonl" if item == "samples" else "parse_summary.json")
        if not path.is_file():
            return Missing(f"there is no {path.relative_to(self.folder)}")
        return Value.of(count_lines(path) if item == "samples" else number_of(read_json(path), item, path))

    def _ed(self, item: str) -> Value | Missing:
        """A count of ED: of one split (conversations/train) or of all three, or of its emotion labels."""
        name, _, split = item.partition("/")
        if name in ("labels", "largest_label", "smallest_label"):
            return self._label(name)
        path = self.folder / "ed" / "report.json"
        if not path.is_file():
            return Missing("there is no ed/report.json")
        report = read_json(path)
        splits = [split] if split else SPLITS
        return Value.of(sum(number_of(field_of(report, part, path), name, path) for part in splits))

    def _label(self, name: str) -> Value | Missing:
        """The number of ED's emotion labels, or the conversations of the most or the least frequent label."""
        path = self.folder / "ed" / "report.json"
        for file in ("report.json", *(f"{split}.jsonl" for split in SPLITS)):
            if not (self.folder / "ed" / file).is_file():
                return Missing(f"there is no ed/{file}")
        report = read_json(path)
        parts = {split: field_of(report, split, path) for split in SPLITS}
        kept = {split: number_of(part, "kept", path) for split, part in parts.items()}
        cut = [split for split, part in parts.items() if kept[split] != number_of(part, "samples", path)]
        if cut:
            return Missing(f"ed/{cut[0]}.jsonl holds a part of the split only (datasets: ed: keep)")
        counts = Counter(self._emotions.values())
        if not counts:
            return Missing("ed/*.jsonl hold no samples")
        if name == "labels":
            return Value.of(len(counts))
        return Value.of(max(counts.values()) if name == "largest_label" else min(counts.values()))

    @cached_property
    def _emotions(self) -> dict[tuple[str, str], str]:
        """The label of each conversation, by split and conversation."""
        labels = {}
        for split in SPLITS:
            for record in read_jsonl(self.folder / "ed" / f"{split}.jsonl", ED_SAMPLE):
                labels[split, record["conv_id"]] = record["emotion"]
        return labels


def human_line(path: Path, baseline: str | None) -> Line | None:
    """The line of a run's Figure 7 about a baseline over all criteria; None if nobody judged it."""
    columns = ("counted", "total", *ITEMS["human"], "made_up")
    hint = "delete it and make it again: snakemake figure7"
    lines = read_csv(path, columns, unique=("baseline", "criterion"), hint=hint)
    return next((line for line in lines if (line["baseline"], line["criterion"]) == (baseline, "all")), None)


def cell_value(path: Path) -> Value | Missing:
    """A cell's value by the paper's protocol on the whole test split; no other value tests a claim of the paper."""
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
    """The error for a file of the run that no step wrote in this form."""
    hint = "delete the file and run the step that makes it again (docs/files.md says which)"
    return UserError(f"{path}: {reason}", hint)


def field_of(record: Record, name: str, path: Path) -> object:
    """A field that a file must have.

    Raises:
        UserError: it is missing.
    """
    if not isinstance(record, dict) or name not in record:
        raise damaged(path, f"the field {name!r} is missing")
    return record[name]


def number_of(record: Record, name: str, path: Path) -> float:
    """A field that a file must have, and that must be a finite number.

    Raises:
        UserError: it is missing, or something else.
    """
    value = field_of(record, name, path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LARGEST:
        text = shortened(quoted(value), 80)
        raise damaged(path, f"the field {name!r} is {text}, which is not a finite number")
    return value


def quoted(value: object) -> str:
    """A JSON value in a sentence; a hash is cut to its beginning."""
    text = json.dumps(value)
    return f"{text[:9]}..." if isinstance(value, str) and len(value) == 64 else text


def matching_files(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that fit a pattern, sorted."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def count_lines(path: Path) -> int:
    """The number of a file's lines.

    Raises:
        UserError: the file was changed after it was written.
    """
    check_seal(path)
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def deciding_files(folder: Path) -> Iterator[Path]:
    """The files of a run that claims depend on, in order."""
    for pattern in FILES:
        yield from matching_files(folder, pattern)


def digest(folder: Path) -> str:
    """A hash that changes when any file that a claim depends on appears, disappears or changes."""
    whole = hashlib.sha256()
    for path in deciding_files(folder):
        state = path.stat()
        content = path.read_bytes() if state.st_size <= SMALL else f"{state.st_size} {state.st_mtime_ns}".encode()
        whole.update(f"{path.relative_to(folder)}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()
