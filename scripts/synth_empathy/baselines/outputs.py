"""Other systems' outputs on ED's test split: read from their authors' files, aligned to our test samples by content.

Alignment by order would be unsafe: the loaders of these systems sort the dialogues of a batch by length, and a missing
output would shift all later ones. Therefore the reference text identifies the sample of an output; where references
repeat, the context does. Texts are compared without the differences between preparations of ED: blanks (tokens), case,
double quotes, and the contractions that the MoEL/EmpDG preprocessing expands.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.files import read_bytes
from ..core.provenance import sha256_file
from ..core.records import Record, is_a, read_jsonl
from ..data.tokenization import CONTRACTIONS

#: The lines of results.txt that are read, and the field of each. Others, such as Emotion: and Beam:, are skipped.
LINES = {"Context": "context", "Greedy": "prediction", "Ref": "reference"}
#: The line at the end of a sample in results.txt.
CLOSING = re.compile(r"-{3,}\s*")

#: What Python raises for texts that are not literals, sets of lists and deep nesting included.
NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)

USE_OUTPUTS = (
    "give a results.txt as SEEK, CASE and ESCM write it (Context:, Greedy: and Ref: lines), or JSON Lines with"
    " prediction and reference (.jsonl)"
)


@dataclass(frozen=True)
class Output:
    """A system's output for one sample.

    Attributes:
        line: the line of the file at which it begins.
        context: the turns before it that the file has; None if it has none.
    """

    line: int
    prediction: str
    reference: str
    context: str | None = None


@dataclass
class Contents:
    """A file's outputs, and its incomplete entries: the line of each, and what it lacks."""

    outputs: list[Output]
    incomplete: list[Record]


@dataclass
class Alignment:
    """Test samples and the outputs that belong to them.

    Attributes:
        outputs: each sample's output, or None.
        unused: outputs that belong to no sample.
        by: how many outputs were aligned in which way.
    """

    outputs: list[Output | None]
    unused: list[Output]
    by: Counter


# Reading


def read_outputs(path: Path) -> Contents:
    """Read a system's outputs: JSON Lines if the name ends in .jsonl, and a results.txt otherwise.

    Raises:
        UserError: the file is missing or invalid, or holds no output.
    """
    contents = read_json_lines(path) if path.suffix == ".jsonl" else read_results(path)
    if not contents.outputs:
        raise UserError(f"{path} holds no output", USE_OUTPUTS)
    return contents


def read_json_lines(path: Path) -> Contents:
    """JSON Lines with prediction and reference. A context (text or list of turns) is optional; ids are not used.

    Raises:
        UserError: a line is invalid, or a field has another type.
    """
    records = read_jsonl(path, {"prediction": str, "reference": str}, unique=None)
    outputs = []
    for line, record in enumerate(records, start=1):
        context = record.get("context")
        if not (context is None or is_a(context, str) or is_a(context, list[str])):
            problem = f"{path}, line {line}: the field 'context' is neither a text nor a list of turns"
            raise UserError(problem, USE_OUTPUTS)
        text = " ".join(context) if isinstance(context, list) else context
        outputs.append(Output(line, record["prediction"].strip(), record["reference"].strip(), text))
    return Contents(outputs, [])


def read_results(path: Path) -> Contents:
    """The results.txt that systems with the MoEL/EmpDG code write: blocks of lines, one per sample.

    A block ends at a line of dashes, or before a line whose field it already has. So a missing line affects only its
    own sample. A block without Greedy: or Ref: is incomplete.

    Raises:
        UserError: the file is missing or is not UTF-8.
    """
    outputs, incomplete = [], []
    for line, block in read_blocks(path):
        missing = [name for name, field in LINES.items() if field not in block and name != "Context"]
        if missing:
            incomplete.append({"line": line, "lacks": missing})
        else:
            context = turns_of(block["context"]) if "context" in block else None
            outputs.append(Output(line, block["prediction"].strip(), block["reference"].strip(), context))
    return Contents(outputs, incomplete)


def read_blocks(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The first line's number and the fields of each block of a results.txt."""
    try:
        lines = read_bytes(path).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}", USE_OUTPUTS) from None
    block: dict[str, str] = {}
    start = 0
    for number, line in enumerate(lines, start=1):
        name, colon, text = line.partition(":")
        field = LINES.get(name) if colon else None
        if block and (CLOSING.fullmatch(line) or field in block):
            yield start, block
            block = {}
        if field:
            start = start if block else number
            block[field] = text
    if block:
        yield start, block


def turns_of(text: str) -> str:
    """The turns of a Context: line in one text. The line is a Python list; any other text is returned unchanged."""
    try:
        turns = ast.literal_eval(text.strip())
    except NO_LITERAL:
        return text
    return " ".join(turns) if is_a(turns, list[str]) else text


# Alignment


def key(text: str) -> str:
    """A text without the differences between preparations: no blanks or quotes, lower case, contractions expanded."""
    text = "".join(text.replace("</s>", "").lower().split())
    for quotes in ('"', "``", "''"):
        text = text.replace(quotes, "")
    for short, long in CONTRACTIONS.items():
        text = text.replace(short, long.replace(" ", ""))
    return text


def align(samples: list[Record], outputs: list[Output]) -> Alignment:
    """Find each sample's output by its reference, and by its context if the output has one.

    The ways, in this order: equal reference and context; equal reference and end of the context (one side merges or
    cuts some conversations); equal reference, if it occurs once on both sides; and equal references in the order of
    both files, for outputs without a context. The last way changes no metric, since the references are equal.

    Args:
        samples: ED's test samples (``records.SAMPLE``).
    """
    alignment = Alignment([None] * len(samples), [], Counter())
    references, contexts = defaultdict(list), {}
    for place, sample in enumerate(samples):
        references[key(sample["response"])].append(place)
        contexts[place] = key(" ".join(sample["history"]))
    groups: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        groups[key(output.reference)].append(output)
    for reference, group in groups.items():
        alignment.unused += align_group(references.get(reference, []), contexts, group, alignment)
    alignment.unused.sort(key=lambda output: output.line)
    return alignment


def align_group(
    places: list[int], contexts: dict[int, str], group: list[Output], alignment: Alignment
) -> list[Output]:
    """Align the samples (their places) and outputs of one reference; returns the outputs that remain."""
    remaining = deque(places)
    without_context = [output for output in group if output.context is None]
    with_context = [(output, key(output.context)) for output in group if output.context is not None]

    def match(place: int, output: Output, way: str) -> None:
        alignment.outputs[place] = output
        alignment.by[way] += 1
        remaining.remove(place)

    for way, fits in (("reference and context", str.__eq__), ("reference and end of context", same_end)):
        unmatched = []
        for output, context in with_context:
            place = next((place for place in remaining if fits(contexts[place], context)), None)
            if place is None:
                unmatched.append((output, context))
            else:
                match(place, output, way)
        with_context = unmatched
    unique = len(places) == len(group) == 1
    if unique and with_context:
        match(places[0], with_context.pop()[0], "reference")
    while remaining and without_context:
        match(remaining[0], without_context.pop(0), "reference" if unique else "reference, by order")
    return [output for output, _ in with_context] + without_context


def same_end(one: str, other: str) -> bool:
    """Whether the shorter of two contexts is the end of the longer."""
    return bool(one and other) and (one.endswith(other) or other.endswith(one))


# What follows from the alignment


def responses(samples: list[Record], alignment: Alignment) -> Iterator[Record]:
    """Aligned outputs as ``records.RESPONSE`` with our references, in the samples' order."""
    for sample, output in zip(samples, alignment.outputs):
        if output is not None:
            yield {"id": sample["id"], "prediction": output.prediction, "reference": sample["response"]}


def report(path: Path, samples: list[Record], contents: Contents, alignment: Alignment) -> Record:
    """The counts of an alignment, and every mismatch."""
    aligned, unaligned = [], []
    for sample, output in zip(samples, alignment.outputs):
        if output is None:
            unaligned.append({"id": sample["id"], "reference": sample["response"]})
        else:
            aligned.append((sample, output))
    return {
        "file": path.name,
        "sha256": sha256_file(path),
        "test_samples": len(samples),
        "outputs": len(contents.outputs),
        "aligned": len(aligned),
        "by": dict(sorted(alignment.by.items())),
        "same_reference_text": sum(output.reference == sample["response"] for sample, output in aligned),
        "empty_predictions": [sample["id"] for sample, output in aligned if not output.prediction],
        "samples_without_output": unaligned,
        "outputs_without_sample": [{"line": one.line, "reference": one.reference} for one in alignment.unused],
        "incomplete_entries": contents.incomplete,
    }


def report_lines(report: Record, most: int = 10) -> Iterator[str]:
    """A report's lines for a log: all counts, and up to ``most`` mismatches of each kind."""
    count = f"{report['aligned']:,} of {report['test_samples']:,} test samples have an output"
    yield f"{report['file']}: {count} ({report['outputs']:,} in the file)"
    for way, number in report["by"].items():
        yield f"  {number:,} by {way}"
    for kind in ("samples_without_output", "outputs_without_sample", "incomplete_entries", "empty_predictions"):
        yield f"  {kind.replace('_', ' ')}: {len(report[kind]):,}"
        yield from (f"    {describe(mismatch)}" for mismatch in report[kind][:most])


def describe(mismatch: Record | str) -> str:
    """A mismatch in one line."""
    if isinstance(mismatch, str):
        return mismatch
    texts = []
    for name, value in mismatch.items():
        texts.append(f"{name} {value if isinstance(value, (int, str)) else ' and '.join(value)}")
    return ", ".join(texts)


def check(report: Record, limit: float, part: bool) -> None:
    """Refuse outputs that are not outputs for our test samples.

    Args:
        limit: the largest acceptable number of mismatches, as a share of the test samples.
        part: whether the samples are a part of the split. Outputs without a sample are then no mismatches.

    Raises:
        UserError: there are more mismatches, or no output belongs to a sample.
    """
    file, samples = report["file"], report["test_samples"]
    question = "look at the references in the log: is it the output on ED's test split"
    if not report["aligned"]:
        problem = f"{file}: none of its {report['outputs']:,} outputs belongs to one of the {samples:,} test samples"
        raise UserError(problem, f"{question}, and are the samples ours?")
    unanswered = len(report["samples_without_output"])
    unused = 0 if part else len(report["outputs_without_sample"])
    if max(unanswered, unused) <= limit * samples:
        return
    problem = (
        f"{file}: {unanswered:,} of {samples:,} test samples have no output, and {unused:,} outputs have no sample;"
        f" the configuration accepts {limit:.1%} (outputs: unaligned)"
    )
    raise UserError(problem, f"{question}? If the references differ harmlessly, raise outputs: unaligned")
