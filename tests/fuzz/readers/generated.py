"""From raw ED to samples: its CSV and its archive, the generator's outputs, and other systems' outputs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

from synth_empathy.baselines import outputs
from synth_empathy.core import json_files, records
from synth_empathy.data import rounds
from synth_empathy.data.readers import SPLITS, empathetic_dialogues, reader_of

from ..checks import same
from ..mutations import Part, damaged, encoded, json_file, json_lines, one_of, plain, steps, table
from . import valid
from .contracts import objects
from .registry import Reader, run, script

# ED


def turn(conversation: int, number: int, text: str) -> list[str]:
    """A row of ED's CSV."""
    return [
        f"hit:{conversation}_conv:{conversation}",
        f"{number}",
        "sad",
        f"it rained {conversation}",
        f"{number % 2}",
        text,
        "5|5|5",
        "",
    ]


TURNS = [turn(one, number, f"words {number} of {one} _comma_ i'm sad .") for one in range(4) for number in range(1, 4)]
#: Dialogues of one's own, of enough conversations for each split to have some.
OWN = [
    {"conversation": f"c{one}", "history": [f"it rained {one} ."], "response": f"what a pity {one} !"}
    for one in range(9)
]
ED_CSV = table([empathetic_dialogues.COLUMNS, *TURNS])


def prepare_split(folder: Path, how: dict) -> None:
    """Every line below the header is an utterance; every utterance is in a sample, or dropped and counted."""
    path = folder / "train.csv"
    prepared = empathetic_dialogues.prepare_split(path, "train")
    report = prepared.report
    lines = path.read_bytes().decode("utf-8").split("\n")[1:]
    same("utterances", sum(bool(line.strip()) for line in lines), report["utterances"])
    turns = len(prepared.samples) + sum(one["samples"] for one in report["dialogues_dropped"].values())
    same("utterances in samples or dropped", report["utterances"], 2 * turns + report["unanswered_turns_dropped"])


def prepare_data(folder: Path, how: dict) -> None:
    """All three splits are written, each with as many samples as its report states; or none is."""
    out = folder / "out"
    try:
        run(
            "prepare_data",
            "--reader",
            "empathetic_dialogues",
            "--raw",
            folder,
            "--output",
            out,
            "--keep-train",
            how["keep"],
        )
    finally:
        made = sorted(path.name for path in out.glob("[!.]*"))
        same(
            "all files or none",
            made and sorted(["report.json", *(f"{split}.jsonl" for split in SPLITS)]),
            made,
        )
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    for split in SPLITS:
        rows = objects((out / f"{split}.jsonl").read_text(encoding="utf-8"))
        same(f"samples of {split}", report[split]["kept"], len(rows))


def prepare_jsonl(folder: Path, how: dict) -> None:
    """Every record is a sample of one split, all of a conversation are in the same, and no text changes."""
    path = folder / "mine.jsonl"
    prepared = reader_of({"reader": "jsonl", "file": str(path), "split": {"valid": 0.3, "test": 0.3}}).prepare(path)
    samples = [sample for preparation in prepared.values() for sample in preparation.samples]
    rows = [row for row in objects(path.read_text(encoding="utf-8").removeprefix("\ufeff")) if row]
    same("records", sorted(row["response"] for row in rows), sorted(sample["response"] for sample in samples))
    homes = {(sample["conv_id"], sample["id"].partition("/")[0]) for sample in samples}
    same("splits of a conversation", len({conversation for conversation, _ in homes}), len(homes))


def archive_of(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar archive of members, each with a name, a type and its content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


REGULAR = [(f"empatheticdialogues/{split}.csv", tarfile.REGTYPE, b"a,b\n") for split in SPLITS]
LINK = ("empatheticdialogues/train.csv", tarfile.SYMTYPE, b"")
DEVICE = ("empatheticdialogues/train.csv", tarfile.CHRTYPE, b"")
OUTSIDE = ("../../train.csv", tarfile.REGTYPE, b"x")
TARS = (
    archive_of(*REGULAR),
    archive_of(LINK, *REGULAR[1:]),
    archive_of(DEVICE, *REGULAR[1:]),
    archive_of(OUTSIDE, *REGULAR),
    archive_of(),
)
ARCHIVE = gzip.compress(TARS[0], mtime=0)
ARCHIVES = st.one_of(
    damaged(st.sampled_from(TARS)),
    damaged(st.sampled_from(TARS)).map(
        lambda content: gzip.compress(content, mtime=0) if isinstance(content, bytes) else content
    ),
    plain(ARCHIVE).damaged,
)


def unpack(folder: Path, how: dict) -> None:
    """An archive with the right hash and any content gives three files, or none."""
    path, out = folder / "ed.tar.gz", folder / "out"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64
    before = {str(one) for one in folder.parent.glob("*.csv")}
    try:
        script("fetch_ed").unpack(path, sha256, out)
    finally:
        made = sorted(one.name for one in out.glob("[!.]*"))
        same("files outside the folder", before, {str(one) for one in folder.parent.glob("*.csv")})
        same("all files or none", made and sorted(f"{split}.csv" for split in SPLITS), made)


def fetch(folder: Path, how: dict) -> None:
    """An address of any form."""
    url = how["url"].replace("FOLDER", folder.as_posix())
    run("fetch_ed", "--url", url, "--sha256", hashlib.sha256(ARCHIVE).hexdigest(), "--output", folder / "out")
    same("files", 3, len(list((folder / "out").glob("*.csv"))))


URLS = one_of(
    "file://FOLDER/ed.tar.gz", "notaurl", "", "http://", "http://[::1", "http://[", "file://", "file://FOLDER",
    "file://FOLDER/none", "x:y",
    "http://127.0.0.1:1/x", "http://127.0.0.1:99999/x", "http://a:b@127.0.0.1:1/x", "http://127.0.0.1:x/",
    "http://127.0.0.1:1/ä b\n", "\0", "data:,x",
)  # fmt: skip

# The generator's outputs

LABELS = (
    "Round 1:\n",
    "**Round 2:**\n",
    "Context: ",
    "Response: ",
    "context:",
    "- Response 1:",
    "Context",
    "Response",
    "Round",
    "Speaker: ",
    "1.",
    "one",
)
WORDS = (
    "my dog is ill .",
    "oh no !",
    "...",
    "[context]",
    "{[1]}",
    '"',
    "“",
    "”",
    ":",
    "*",
    "_",
    "-",
    ">",
    "#",
    "İ",
    "\0",
    "a " * 130,
)
BLANKS = ("\n", "\n\n", "\t", " ", "\r", "\u2028", "\x85")
#: What a small model may repeat until it is stopped: 300 tokens have up to some thousand characters.
REPEATED = (
    "\n" * 800 + "Context" + "*" * 3200, "\n" * 800, " " * 1600, "*" * 3200, "-" * 1600, "\n*" * 400, "\t_" * 400,
    "1" * 600, "round " * 200, "Context" * 100,
    "Context:" * 100, "Context:\n\n" * 60, "round 1\n" * 60, "[" * 800, "<" * 800 + ">", "round 1" + " *" * 800,
    "> " * 800, "Response 1" + "\t" * 1600,
)  # fmt: skip
PIECES = (*LABELS, *WORDS, *BLANKS, *REPEATED)
OUTPUT = valid.OUTPUTS[0]["text"]
GENERATED = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(max_size=80),
    plain(encoded(OUTPUT)).damaged.map(
        lambda content: content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    ),
)


def parse_text(folder: Path, how: dict) -> None:
    """Every turn has words and is in the text, and every unused part has a known reason."""
    parsed = rounds.parse_rounds(how["text"], how["finish"], how["max_words"])
    text = "".join(how["text"].split())
    for pair in parsed.rounds:
        strange = [turn for turn in pair.values() if not turn.strip() or "".join(turn.split()) not in text]
        same("turns that are not in the text", [], strange)
    same("reasons known", True, parsed.reason is None or parsed.reason in rounds.REASONS)
    same("a result or a reason", True, bool(parsed.rounds or parsed.reason))


def parse_outputs(folder: Path, how: dict, *more: str) -> None:
    """Outputs are dialogues and rejected ones, and the summary counts both."""
    given = [folder / name for name in ("0.jsonl", "1.jsonl")]
    made = {name: folder / f"{name}.made" for name in ("dialogues", "rejected", "summary")}
    flags = [word for name, path in made.items() for word in (f"--{name}", path)]
    run("parse_rounds", "--outputs", *given, "--max-words", how["max_words"], *flags, *more)
    came = [row["id"] for path in given for row in objects(path.read_text(encoding="utf-8"))]
    went = [row["id"] for name in ("dialogues", "rejected") for row in objects(made[name].read_text(encoding="utf-8"))]
    same("outputs", sorted(came), sorted(went))
    summary = json.loads(made["summary"].read_text(encoding="utf-8"))
    same("outputs in the summary", len(came), summary["dialogues"] + sum(summary["rejected"].values()))


SHARDS = [json_lines([row]) for row in valid.OUTPUTS[:2]]


def manifest(shard: Part) -> Part:
    """A shard's manifest."""
    return json_file(
        {"model": {"name": "m"}, "output": {"sha256": hashlib.sha256(shard.valid).hexdigest(), "rows": 1}}
    )


MANIFESTED = {
    "0.jsonl": SHARDS[0],
    "0.manifest.json": manifest(SHARDS[0]),
    "1.jsonl": SHARDS[1],
    "1.manifest.json": manifest(SHARDS[1]),
}


def parse_alone(folder: Path, how: dict) -> None:
    """The same for outputs from elsewhere, which have no manifests."""
    parse_outputs(folder, how, "--without-manifests")


def models_of(folder: Path, how: dict) -> None:
    """A manifest describes its own shard, and every shard has one unless it may be missing."""
    paths = [folder / name for name in ("0.jsonl", "1.jsonl")]
    named = script("parse_rounds").models_of(paths, how["without"])
    same("models are names", True, all(isinstance(name, str) for name in named))
    manifests = [path.with_suffix(".manifest.json") for path in paths]
    there = [path.exists() for path in manifests]
    same("a manifest for each shard, unless it may lack it", True, all(there) or how["without"])
    paths = [path for path, exists in zip(paths, there) if exists]
    hashes = [json.loads(path.read_text())["output"]["sha256"] for path, exists in zip(manifests, there) if exists]
    same("hashes", [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths], hashes)


def sample_turns(folder: Path, how: dict) -> None:
    """A sample for each dialogue, in order."""
    made = folder / "samples.jsonl"
    flags = ["--mode", how["mode"], "--min-history", how["least"], "--max-history", how["most"], *how["more"]]
    run("sample_turns", "--dialogues", folder / "dialogues.jsonl", *flags, "--output", made)
    came = [row["id"] for row in objects((folder / "dialogues.jsonl").read_text(encoding="utf-8"))]
    same("dialogues", came, [row["id"] for row in records.read_jsonl(made, records.SAMPLE)])


# Other systems' outputs


def block(sample: dict) -> str:
    """A sample's lines in a results.txt."""
    return (
        f"Emotion: sad\nContext:{sample['history']}\nGreedy:oh no .\nBeam: x\nRef:{sample['response']}\n{'-' * 60}\n"
    )


RESULTS = "".join(block(sample) for sample in valid.SAMPLES)
CONTEXTS = (
    "{[1]}", "[" * 3000, "-" * 100_000, "(" * 80 + ")" * 80, "1" * 5000, "['a'" + ", 'a'" * 999 + "]", "b'x'", "'\\x'",
    "[1, 2]", "['\\ud800']", "{}",
    "1e999", "-" * 900 + "1", "[[[['a']]]]", "'a' 'b'", "\0", "x" * 100_000, "f'{1}'", "(lambda: 0)()",
    "9" * 5000 + "**9", "{1: {[]: 2}}", "1 +" * 2000 + "1",
)  # fmt: skip


def results(done: list) -> bytes:
    """A results.txt in which some lines hold something else."""
    lines = RESULTS.split("\n")
    for kind, place, number in done:
        lines[place % len(lines)] = f"{kind}:{CONTEXTS[number % len(CONTEXTS)]}"
    return encoded("\n".join(lines))


RESULTS_TXT = Part(encoded(RESULTS), damaged(steps(("Context", "Greedy", "Ref"), 2).map(results)))
GIVEN = [
    {"prediction": "oh no .", "reference": sample["response"], "context": sample["history"]}
    for sample in valid.SAMPLES
]


def read_outputs(name: str, folder: Path, how: dict) -> None:
    """Samples are aligned or named; outputs are used, or named as unused or incomplete; no line is lost."""
    path = folder / name
    samples = records.read_jsonl(folder / "samples.jsonl", records.SAMPLE)
    contents = outputs.read_outputs(path)
    alignment = outputs.align(samples, contents.outputs)
    report = outputs.report(path, samples, contents, alignment)
    print("\n".join(outputs.report_lines(report)))
    json_files.write_json(folder / "alignment.json", report)
    same("samples", len(samples), report["aligned"] + len(report["samples_without_output"]))
    same("outputs", report["outputs"], report["aligned"] + len(report["outputs_without_sample"]))
    same("ways", report["aligned"], sum(report["by"].values()))
    if path.suffix == ".jsonl":
        same("lines", len(objects(path.read_text(encoding="utf-8"))), report["outputs"])
    else:
        for name in ("Greedy", "Ref"):
            lines = sum(line.startswith(f"{name}:") for line in path.read_bytes().decode("utf-8").split("\n"))
            incomplete = sum(name not in entry["lacks"] for entry in report["incomplete_entries"])
            same(f"{name} lines", lines, report["outputs"] + incomplete)
    outputs.check(report, how["unaligned"], how["part"])
    written = records.write_jsonl(folder / "responses.jsonl", outputs.responses(samples, alignment))
    same("responses", report["aligned"], written)


TAKEN = {"unaligned": one_of(1.0, 0.0, 0.5), "part": one_of(False, True)}
TEXT = {"text": Part(OUTPUT, GENERATED), "finish": one_of("stop", "length"), "max_words": one_of(120, 1)}
TURNS_DRAWN = {
    "mode": one_of("matched", "released"),
    "least": one_of("1", "0", "-1", "9"),
    "most": one_of("3", "0", "-5"),
    "more": one_of([], ["--normalise"]),
}
SAMPLES = json_lines(valid.SAMPLES)
BLOCKS = Reader(
    "outputs, results.txt",
    partial(read_outputs, "results.txt"),
    {"results.txt": RESULTS_TXT, "samples.jsonl": SAMPLES},
    TAKEN,
)
LINES = Reader(
    "outputs, JSON Lines",
    partial(read_outputs, "outputs.jsonl"),
    {"outputs.jsonl": json_lines(GIVEN), "samples.jsonl": SAMPLES},
    TAKEN,
)
WORDS_ASKED = {"max_words": one_of(120, 1, 0, -1, "x")}
READERS = [
    Reader("ed.prepare_split", prepare_split, {"train.csv": ED_CSV}),
    Reader(
        "prepare_data.py",
        prepare_data,
        {f"{split}.csv": ED_CSV for split in SPLITS},
        {"keep": one_of("2", "0", "x", "99")},
    ),
    Reader("readers.jsonl", prepare_jsonl, {"mine.jsonl": json_lines(OWN)}),
    Reader("fetch_ed.unpack", unpack, {"ed.tar.gz": Part(ARCHIVE, ARCHIVES)}),
    Reader("fetch_ed.py --url", fetch, {"ed.tar.gz": plain(ARCHIVE)}, {"url": URLS}),
    Reader("rounds.parse_rounds", parse_text, how=TEXT),
    Reader("parse_rounds.py", parse_outputs, MANIFESTED, WORDS_ASKED),
    Reader("parse_rounds.py --without-manifests", parse_alone, dict(zip(("0.jsonl", "1.jsonl"), SHARDS)), WORDS_ASKED),
    Reader("parse_rounds.models_of", models_of, MANIFESTED, {"without": one_of(False, True)}),
    Reader("sample_turns.py", sample_turns, {"dialogues.jsonl": json_lines(valid.DIALOGUES)}, TURNS_DRAWN),
    BLOCKS,
    LINES,
]
