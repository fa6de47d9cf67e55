"""Other systems' outputs on ED's test split: read as their authors wrote them, aligned to our test samples by content.

Their order cannot be trusted: loaders of that line of research sort the dialogues of a batch by length, and a count that
is off by one would shift every response behind it. So each output is found by its reference text and, where references
repeat, by its context. Texts are compared without what differs between preparations of ED: blanks (tokens), case, double
quotes and the contractions that the family expands.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..core.provenance import sha256_file
from ..core.records import Record, is_a, read_bytes, read_jsonl
from ..data.empathetic_dialogues import CONTRACTIONS

#: The lines of results.txt that are read, and what stands on them; Emotion:, Beam: and others are not ours.
LINES = {"Context": "context", "Greedy": "prediction", "Ref": "reference"}
#: The line that closes a sample in results.txt.
CLOSING = re.compile(r"-{3,}\s*")

#: What Python raises for texts that are no literal: sets of lists and deep nesting, too.
NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)

USE_OUTPUTS = "give a results.txt as SEEK, CASE and ESCM write it (Context:, Greedy: and Ref: lines), or JSON Lines with prediction and reference (.jsonl)"


@dataclass(frozen=True)
class Output:
    """What a system answered to one sample.

    Args:
        line: where it begins in its file.
        context: the turns before it, as far as the file has them; None where it has none.
    """

    line: int
    prediction: str
    reference: str
    context: str | None = None


@dataclass
class Read:
    """A file's outputs, and the entries that are none: their line, and what they lack."""

    outputs: list[Output]
    incomplete: list[Record]


@dataclass
class Alignment:
    """Test samples and outputs that belong together.

    Args:
        found: for each sample its output, or None.
        unused: outputs that belong to no sample.
        by: how many were found in which way.
    """

    found: list[Output | None]
    unused: list[Output]
    by: Counter


def read_outputs(path: Path) -> Read:
    """Read a system's outputs: JSON Lines by the ending .jsonl, results.txt otherwise.

    Raises:
        UserError: the file is missing, is not UTF-8, or holds no output.
    """
    read = read_lines(path) if path.suffix == ".jsonl" else read_results(path)
    if not read.outputs:
        raise UserError(f"{path} holds no output", USE_OUTPUTS)
    return read


def read_lines(path: Path) -> Read:
    """JSON Lines with prediction and reference; context (a text, or a list of turns) is optional, and ids are not ours."""
    records = read_jsonl(path, {"prediction": str, "reference": str}, unique=None)
    outputs = []
    for line, record in enumerate(records, start=1):
        context = record.get("context")
        if not (context is None or is_a(context, str) or is_a(context, list[str])):
            raise UserError(
                f"{path}, line {line}: the field 'context' is neither a text nor a list of turns", USE_OUTPUTS
            )
        text = " ".join(context) if isinstance(context, list) else context
        outputs.append(Output(line, record["prediction"].strip(), record["reference"].strip(), text))
    return Read(outputs, [])


def read_results(path: Path) -> Read:
    """The results.txt of the family's evaluation: blocks of lines, one a sample.

    A block ends at a line of dashes, or where one of its lines would come a second time, so that a missing line costs its
    own sample alone. A block without Greedy: or Ref: is no output and is named.
    """
    outputs, incomplete = [], []
    for line, block in read_blocks(path):
        lacking = [name for name, field in LINES.items() if field not in block and name != "Context"]
        if lacking:
            incomplete.append({"line": line, "lacks": lacking})
        else:
            context = turns_of(block["context"]) if "context" in block else None
            outputs.append(Output(line, block["prediction"].strip(), block["reference"].strip(), context))
    return Read(outputs, incomplete)


def read_blocks(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of each block of a results.txt."""
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
    """A Context: line's turns in one text; the family prints a Python list, and is read as it stands where it is none."""
    try:
        turns = ast.literal_eval(text.strip())
    except NO_LITERAL:
        return text
    return " ".join(turns) if is_a(turns, list[str]) else text


def key(text: str) -> str:
    """What two preparations of one text have in common: its letters and marks, lower case, contractions expanded."""
    text = "".join(text.replace("</s>", "").lower().split())
    for quotes in ('"', "``", "''"):
        text = text.replace(quotes, "")
    for short, long in CONTRACTIONS.items():
        text = text.replace(short, long.replace(" ", ""))
    return text


def align(samples: list[Record], outputs: list[Output]) -> Alignment:
    """Find each sample's output by its reference, and its context where the outputs have one.

    In this order: reference and whole context; reference and the end of the context (of conversations that one side
    merges or cuts); reference alone, where it stands on both sides once; for outputs without a context, equal references
    in the order of both files. The last changes no metric, which see predictions beside equal references.

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
    """Align the samples (their places) and outputs of one reference; returns the outputs that are left over."""
    left = deque(places)
    without = [output for output in group if output.context is None]
    others = [(output, key(output.context)) for output in group if output.context is not None]

    def take(place: int, output: Output, way: str) -> None:
        alignment.found[place] = output
        alignment.by[way] += 1
        left.remove(place)

    for way, belong in (("reference and context", str.__eq__), ("reference and end of context", ends_alike)):
        unmatched = []
        for output, context in others:
            place = next((place for place in left if belong(contexts[place], context)), None)
            if place is None:
                unmatched.append((output, context))
            else:
                take(place, output, way)
        others = unmatched
    once = len(places) == len(group) == 1
    if once and others:
        take(places[0], others.pop()[0], "reference")
    while left and without:
        take(left[0], without.pop(0), "reference" if once else "reference, by order")
    return [output for output, _ in others] + without


def ends_alike(one: str, other: str) -> bool:
    """Whether the shorter of two contexts is the end of the longer."""
    return bool(one and other) and (one.endswith(other) or other.endswith(one))


def responses(samples: list[Record], alignment: Alignment) -> Iterator[Record]:
    """Aligned outputs as ``records.RESPONSE``, in the samples' order, beside our own references."""
    for sample, output in zip(samples, alignment.found):
        if output is not None:
            yield {"id": sample["id"], "prediction": output.prediction, "reference": sample["response"]}


def report(path: Path, samples: list[Record], read: Read, alignment: Alignment) -> Record:
    """What belongs together and what does not, each mismatch by its name."""
    pairs = list(zip(samples, alignment.found))
    return {
        "file": path.name,
        "sha256": sha256_file(path),
        "test_samples": len(samples),
        "outputs": len(read.outputs),
        "aligned": sum(output is not None for output in alignment.found),
        "by": dict(sorted(alignment.by.items())),
        "same_reference_text": sum(
            output is not None and output.reference == sample["response"] for sample, output in pairs
        ),
        "empty_predictions": [
            sample["id"] for sample, output in pairs if output is not None and not output.prediction
        ],
        "samples_without_output": [
            {"id": sample["id"], "reference": sample["response"]} for sample, output in pairs if output is None
        ],
        "outputs_without_sample": [
            {"line": output.line, "reference": output.reference} for output in alignment.unused
        ],
        "incomplete_entries": read.incomplete,
    }


def lines_of(found: Record, shown: int = 10) -> Iterator[str]:
    """The report for a log: all counts, and of each kind of mismatch the first ones."""
    yield f"{found['file']}: {found['aligned']:,} of {found['test_samples']:,} test samples have an output ({found['outputs']:,} in the file)"
    for way, count in found["by"].items():
        yield f"  {count:,} by {way}"
    for name in ("samples_without_output", "outputs_without_sample", "incomplete_entries", "empty_predictions"):
        yield f"  {name.replace('_', ' ')}: {len(found[name]):,}"
        yield from (f"    {describe(one)}" for one in found[name][:shown])


def describe(one: Record | str) -> str:
    """One mismatch in one line."""
    if isinstance(one, str):
        return one
    return ", ".join(
        f"{name} {value if isinstance(value, (int, str)) else ' and '.join(value)}" for name, value in one.items()
    )


def check(found: Record, limit: float, part: bool) -> None:
    """Refuse outputs that are not those of our test samples.

    Args:
        limit: the largest share of the test samples that mismatches may be.
        part: whether the samples are a part of the split; then outputs without a sample are none.

    Raises:
        UserError: more mismatches than that, or, whatever the limit, no output belongs to a sample.
    """
    if not found["aligned"]:
        problem = f"{found['file']}: none of its {found['outputs']:,} outputs belongs to one of the {found['test_samples']:,} test samples"
        raise UserError(
            problem,
            "look at the references in the log: is it the output on ED's test split, and are the samples ours?",
        )
    alone, unused = len(found["samples_without_output"]), 0 if part else len(found["outputs_without_sample"])
    mismatches = max(alone, unused)
    if mismatches <= limit * found["test_samples"]:
        return
    problem = (
        f"{found['file']}: {alone:,} of {found['test_samples']:,} test samples have no output, {unused:,} outputs no sample;"
        f" the configuration takes {limit:.1%} (outputs: unaligned)"
    )
    hint = "look at the references in the log: is it the output on ED's test split? If they differ harmlessly, raise outputs: unaligned"
    raise UserError(problem, hint)
