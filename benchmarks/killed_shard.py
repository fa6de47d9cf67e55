#!/usr/bin/env python3
"""A shard that is killed half way and started again, beside one that is not: the bytes, the rows kept, and the time."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from synth_empathy import cli
from synth_empathy.engines import ENGINES
from synth_empathy.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Parse flags, generate a shard calmly and with a kill, print what the kill cost."""
    flags = cli.parser(__doc__)
    flags.add_argument("--python", default=sys.executable, help="the interpreter that has the engine (.venv-vllm/bin/python)")
    flags.add_argument("--engine", choices=ENGINES, default="transformers", help="what runs the model")
    flags.add_argument("--model", type=Path, default="models/smollm2-135m", metavar="DIR", help="the model's folder (make demo fetches this one)")
    flags.add_argument("--seeds", type=Path, default="results/demo/ed/train.jsonl", metavar="JSONL", help="samples to write after (make demo prepares these)")
    flags.add_argument("--rows", type=cli.count, default=48, help="rows of the shard")
    flags.add_argument("--batch-size", type=cli.count, default=8, help="slots: requests in flight at once")
    flags.add_argument("--max-tokens", type=cli.count, default=32, help="the most new tokens per row")
    args = flags.parse_args()

    with tempfile.TemporaryDirectory() as name:
        calm, killed = Path(name) / "calm", Path(name) / "killed"
        start = time.monotonic()
        finish(started(args, calm))
        whole, start = time.monotonic() - start, time.monotonic()
        process = started(args, killed)
        while rows_kept(killed) < args.rows / 2 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
        kept, again = rows_kept(killed), time.monotonic()
        finish(started(args, killed))
        end = time.monotonic()
        same = (calm / "rows.jsonl").read_bytes() == (killed / "rows.jsonl").read_bytes()
        print(f"{args.engine}, {args.rows} rows of up to {args.max_tokens} tokens, {args.batch_size} slots")
        print(f"killed after {again - start:.1f} s with {kept} rows finished; rows begun and made again: at most {min(args.batch_size, args.rows - kept)}")
        print(f"started again: {end - again:.1f} s; both together {(end - start) / whole:.2f} times the {whole:.1f} s of the uninterrupted shard")
        print(f"rows after the restart: {rows_kept(killed)} made in all, none twice: {rows_kept(killed) == args.rows}; same bytes: {'yes' if same else 'no'}")


def started(args, folder: Path) -> subprocess.Popen:
    """The shard's job, its log in its folder."""
    folder.mkdir(exist_ok=True)
    names = {"seeds": args.seeds, "keep": args.rows, "prompt": ROOT / "resources/prompts/prompt2.yaml", "model": args.model, "engine": args.engine}
    names |= {"batch-size": args.batch_size, "temperature": 0.8, "top-p": 0.9, "max-tokens": args.max_tokens}
    names |= {"demonstration": ROOT / "resources/prompts/demonstration.yaml", "state": folder / "state", "output": folder / "rows.jsonl"}
    command = [args.python, ROOT / "scripts/generate.py", *(word for name, value in names.items() for word in (f"--{name}", value))]
    with open(folder / "log", "a") as log:
        return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)


def finish(process: subprocess.Popen) -> None:
    """Wait for a job.

    Raises:
        UserError: it failed.
    """
    if process.wait():
        raise UserError("generate.py failed", "run make demo first; its model and samples are used")


def rows_kept(folder: Path) -> int:
    """Lines of finished rows in a job's state folder."""
    return sum(path.read_bytes().count(b"\n") for path in (folder / "state").glob("*/*.jsonl"))


if __name__ == "__main__":
    cli.run(main)
