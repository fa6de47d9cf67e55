"""Texts of people and programs: the configuration, prompts, claims, images, Slurm, the plan, earlier jobs."""

from __future__ import annotations

import copy
import datetime
import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from hypothesis import strategies as st

from synth_empathy.claims import claim_list, claim_report, quantities, run_results, verdicts
from synth_empathy.config import settings
from synth_empathy.core import files, json_files, paths
from synth_empathy.data import prompts
from synth_empathy.evaluation import judging
from synth_empathy.execution import cluster, images, leftover_jobs, measured, partition_file, silent_jobs, sizes, slurm

from ..checks import is_finite, same
from ..mutations import KEYS, Part, answer, json_file, json_lines, one_of, plain, steps, table, yaml_file
from . import valid
from .registry import Reader
from .scored import CELL

ROOT = paths.ROOT


def shipped(name: str) -> Any:
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


# The configuration, as Snakemake passes it: values, not text

CONFIG = shipped("config.yaml")
NESTED: list = []
for _ in range(100):
    NESTED = [NESTED]
HOSTILE = (
    None, True, False, math.nan, math.inf, -math.inf, 10**400, -(10**400), -0.0, 0, -1, 1, 0.5, 2.5, 1e308, "", " ",
    "x", "\ud800", "a\0b", "a\nb", "../x",
    "/", "$(touch x)", "a;b", "demo\n", "prompt2\n", "-rf", "é", "x" * 100_000, datetime.date(2024, 1, 1),
    datetime.datetime(2024, 1, 1), b"x", [], {}, [[]],
    NESTED, {"a": 1}, {1: 2}, {None: 1}, {datetime.date(2024, 1, 1): 1}, ["x"], [None], [math.nan],
    "ed+prompt2-dk60-kcenter\n", "ed+x-dk1e5-none",
    "9" * 5000, "ed+prompt2-dk" + "9" * 400 + "-kcenter",
)  # fmt: skip
CHANGES = ("value", "value", "value", "number", "drop", "rename", "more", "copy")
NUMBERS = tuple(value for value in HOSTILE if isinstance(value, (int, float)))


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in a configuration, with each of its keys or places."""
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in list(places):
        yield value, place
        yield from holders(inner)


class Config(dict):
    """A configuration that shows only its changes."""

    changes: list[str]

    def __repr__(self) -> str:
        return f"config.yaml, changed: {'; '.join(self.changes) or 'nothing'}"


def reconfigured(done: list) -> dict:
    """The paper's configuration with other values, keys and names."""
    config = Config(copy.deepcopy(CONFIG))
    config.changes = []
    for kind, place, number in done:
        found = list(holders(config))
        if kind == "number":
            found = [(holder, key) for holder, key in found if isinstance(holder[key], (int, float))]
        holder, key = found[place % len(found)]
        config.changes.append(f"{kind} at {key!r}, now {holder[key]!r:.60}, number {number}")
        if kind in ("value", "number"):
            values = NUMBERS if kind == "number" else HOSTILE
            holder[key] = copy.deepcopy(values[number % len(values)])
            config.changes[-1] += f", becomes {holder[key]!r:.80}"
        elif kind == "copy":
            other, there = found[number % len(found)]
            holder[key] = copy.deepcopy(other[there])
        elif kind == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(HOSTILE[number % len(HOSTILE)]))
        else:
            holder[(*KEYS, 1, None, "prompt2\n")[number % (len(KEYS) + 3)]] = (
                holder.pop(key) if kind == "rename" else copy.deepcopy(holder[key])
            )
    return config


def check_settings(folder: Path, how: dict) -> None:
    """Accepted numbers are finite, and names that become parts of paths and commands are plain."""
    config = how["config"]
    settings.check(config)
    numbers = [holder[key] for holder, key in holders(config) if isinstance(holder[key], float)]
    same("numbers that are none", [], [number for number in numbers if not is_finite(number)])
    catalogues = ("models", "prompts", "baselines", "published")
    names = [config["run"], *(name for catalogue in catalogues for name in config[catalogue])]
    same(
        "names that are none",
        [],
        [name for name in names if not isinstance(name, str) or not set(name) <= PLAIN or not name],
    )


PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")

# Prompts and rubrics

SAMPLE = valid.SAMPLES[0]
PROMPT = {
    "name": "prompt2",
    "title": "t",
    "origin": "ours",
    "source": "s",
    "template": "Original Context: {context}\nOriginal Response: {response}\n",
}
RUBRIC = PROMPT | {"template": "{context} {response} 1, 2 or 3"}
DEMONSTRATION = {
    "source": "s",
    "context": "my cat .",
    "response": "oh no .",
    "answer": "Round 1:\nContext: a\nResponse: b",
}


def load_prompt(folder: Path, how: dict) -> None:
    """An accepted prompt can be filled in, and contains the sample."""
    prompt = prompts.load_prompt(folder / "prompt.yaml")
    demonstration = prompts.load_demonstration(folder / "demonstration.yaml")
    asked = prompts.generation_messages(SAMPLE, prompt, demonstration)
    same("turns", 3, len(asked))
    same(
        "a sample in its prompt",
        True,
        SAMPLE["history"][0] in asked[-1]["content"] and SAMPLE["response"] in asked[-1]["content"],
    )
    json_files.write_json(folder / "asked.json", asked)


def load_rubric(folder: Path, how: dict) -> None:
    """An accepted rubric can be filled in, and gives a request for each sample."""
    rubric = prompts.load_rubric(folder / "rubric.yaml")
    judging.check_rubrics([rubric])
    same("requests", len(valid.SAMPLES), len(judging.requests(valid.SAMPLES, [rubric], 0)))


# Claims

CLAIMS = shipped("resources/paper/claims.yaml")
FEW = CLAIMS | {"claims": [claim for claim in CLAIMS["claims"] if claim["cost"] in ("ed", "judge", "table1")][:6]}
COSTS = {claim["cost"] for claim in FEW["claims"]}
FEW |= {"costs": {name: CLAIMS["costs"][name] for name in COSTS}}


def load_claims(folder: Path, how: dict) -> None:
    """Every claim that is read is tested on an empty run."""
    known = claim_list.load(folder / "claims.yaml")
    checked = verdicts.check_all(known, run_results.Results(folder, known.systems))
    same("claims", len(known.claims), len(checked))
    files.write_text(folder / "claims.md", claim_report.as_markdown("paper", None, checked))
    json_files.write_json(folder / "claims.json", checked)


def split_report(samples: int) -> dict:
    """The part of ed/report.json about a split."""
    return {
        "split": "x",
        "content_sha256": "0" * 64,
        "conversations": 3,
        "utterances": 9,
        "samples": samples,
        "kept": samples,
    }


JUDGED = valid.SUMMARY | {"judge": "llama3-70b-instruct"}
FIGURE7 = [
    ["baseline", "criterion", "counted", "total", "win", "tie", "loss", "made_up"],
    ["SEEK", "all", "judgements", "10", "6", "2", "2", "no"],
    ["CASE", "all", "judgements", "10", "6", "2", "2", "no"],
]
BUILT = {
    "cells/table1/qwen1.5-7b-chat/ed/cider.json": json_file(CELL),
    "cells/table2/qwen1.5-7b-chat/ed/cider.json": json_file(CELL),
    "judged/prompt2/before/seed0.summary.json": json_file(JUDGED),
    "judged/prompt2/dk60-kcenter/seed0.summary.json": json_file(JUDGED | {"stage": "dk60-kcenter"}),
    "figures/figure7.csv": table(FIGURE7),
    "synthetic/prompt2/parse_summary.json": json_file(
        {"outputs": 3, "dialogues": 2, "made_by": {"models": ["m"], "seed_samples": 3, "samples_per_seed": 1}}
    ),
    "synthetic/prompt2/samples.jsonl": json_lines(valid.SAMPLES),
    "ed/report.json": json_file({split: split_report(4) for split in run_results.SPLITS}),
} | {f"ed/{split}.jsonl": json_lines(valid.ED_SAMPLES) for split in run_results.SPLITS}
ASKED = (
    "cell qwen1.5-7b-chat/ed cider", "cell qwen1.5-7b-chat/ed bleu1", "judged llama3-70b-instruct/prompt2/before mean",
    "human seek win", "human case loss",
    "judged llama3-70b-instruct/prompt2/dk60-kcenter full_share", "generated prompt2 outputs",
    "generated prompt2 samples", "ed conversations", "ed labels",
    "ed utterances/train", "ed largest_label",
)  # fmt: skip


def read_results(folder: Path, how: dict) -> None:
    """Every quantity is a finite number, or missing for a reason."""
    found = run_results.Results(folder, CLAIMS["systems"])
    for quantity in ASKED:
        value = found.value(quantity)
        if isinstance(value, quantities.Value):
            same(f"{quantity}: values by seed", True, isinstance(value.by_seed, dict))
            numbers = (value.low, value.high, *value.by_seed.values())
            same(f"{quantity}: numbers that are none", [], [number for number in numbers if not is_finite(number)])
        else:
            same(f"{quantity}: a reason", True, bool(value.reason))
    found.unmet_condition("synthetic/*/parse_summary.json", {"made_by: models": ["m"], "made_by: seed_samples": 3})
    run_results.digest(folder)


# Slurm

SINFO = "n1|cpu|64|256000|(null)|1-00:00:00\nn2|gpu|32|512000+|gpu:a100:4(S:0-1),nvme:1|2-00:00:00\n"
SINFO += "n3|gpu|32|512000|gpu:2|infinite\n"
NEED = cluster.Need("generate", "gpu", "a", gpus=2, cpus=8, mem_mb=1000, minutes=60)
NEEDS = [NEED, replace(NEED, attempt=2)]
ODD_LINES = (
    "", "\n\n", " ", "n1|cpu|64+|256000|(null)|1-00:00:00\n", "n1|cpu|NOT_SET|NOT_SET|(null)|NOT_SET\n",
    "n1|cpu|64|256000|gpu:|UNLIMITED\n", "n1||1|1||1\n",
    "n1|gpu|64|256000|gpu:²|1:2:3:4\n", "n1|gpu|64|1.5G|gpu:a:b:c:|n/a\n", "a|b\n", "|" * 9 + "\n",
    "n1|gpu|64|1|gpu:4|" + "9" * 5000 + "\n", "slurm error\n",
    "CLUSTER: alpha\n", "n1|gpu|-1|-1|gpu:-1|-1\n", "n1|gpu|" + "9" * 5000 + "|1|gpu|1\n",
)  # fmt: skip


def spoken(text: str, odd: tuple[str, ...]) -> Part:
    """A program's answer, with lines that it now and then has."""
    lines = text.splitlines(keepends=True)
    mixed = st.lists(st.sampled_from([*lines, *odd]), max_size=4).map("".join)
    return Part(text, st.one_of(answer(text).damaged, mixed))


def read_nodes(folder: Path, how: dict) -> None:
    """A node a line that is neither blank nor a cluster's heading."""
    nodes = slurm.read_nodes(how["sinfo"])
    lines = [line.strip() for line in how["sinfo"].splitlines()]
    headings = [line for line in lines if line.startswith("CLUSTER: ") and "|" not in line]
    same("nodes", sum(map(bool, lines)) - len(headings), len(nodes))
    cluster.check_need(NEEDS[0], nodes)
    cluster.warn_of_retries(NEEDS, nodes)


PARTITIONS = (
    "PartitionName=cpu AllowGroups=ALL PreemptMode=OFF MaxNodes=1\nPartitionName=gpu PreemptMode=CANCEL State=UP\n"
)
SETTINGS = "Configuration data as of 2024\nAccountingStorageType = accounting_storage/slurmdbd\n"
SETTINGS += "MinJobAge = 300 sec\nPreemptType = preempt/qos\n"
ODD_PARTITIONS = (
    "State=UP\n",
    "PartitionName=\n",
    "=\n",
    "a=b=c\n",
    "No partitions in the system\n",
    "PartitionName cpu\n",
)
ODD_SETTINGS = (
    "MinJobAge = \n",
    "MinJobAge = x\n",
    "MinJobAge=NOT_SET\n",
    "MinJobAge = " + "9" * 5000 + "\n",
    "AccountingStorageType = (null)\n",
    "=\n",
)


def read_partitions(folder: Path, how: dict) -> None:
    """What Slurm says of its partitions and of itself, in whatever form."""
    with mock.patch.object(cluster.shutil, "which", lambda program: program if how["sacct"] else None):
        cluster.check_states(how["settings"], how["command"], 40)
    warnings = cluster.warn_of_preemption(how["settings"], how["partitions"], NEEDS)
    same("warnings have hints", True, all("What to do: " in warning for warning in warnings))


QUEUE = (
    "7|run-a|FOLDER|rule_generate_wildcards_p_0\n9_[1-3]|run-b|FOLDER|rule_respond_wildcards_x\n8|wrap|/tmp|(null)\n"
)
ODD_JOBS = (
    "7|run-a|FOLDER\n",
    "7\n",
    "||\n",
    "7|a|\0|rule_x\n",
    "7|a||b\n",
    "slurm_load_jobs error\n",
    "7|a|~|b|c|d\n",
)
LONG_PATH = "7|a|" + "x" * 5000 + "|rule_generate_wildcards_p_0\n"


def check_leftovers(folder: Path, how: dict) -> None:
    """Jobs of this folder that make the same files end the run."""
    queue = how["queue"].replace("FOLDER", str(folder))
    leftover_jobs.check_leftovers(queue, folder, {how["comment"]})
    ours = [line for line in queue.splitlines() if line.strip().endswith(f"|{folder}|{how['comment']}")]
    same("jobs left that make the same", [], ours)


NODES = "JobId=7 JobName=x\n   NodeList=n1\n"
LOG = "submitted with SLURM jobid 7 (log: /x/7.log).\nSLURM-job '7' failed\n"


def explain_silence(folder: Path, how: dict) -> None:
    """A log in whatever form gives a sentence, or none."""
    with mock.patch.object(slurm, "ask", lambda *command: how["nodes"]):
        explanation = silent_jobs.explain_silence(how["log"], folder)
    same("a message", True, explanation is None or "What to do: " in explanation)


@cache
def limits() -> type:
    """What the executor takes a partition's limits by."""
    from snakemake_executor_plugin_slurm.partitions import PartitionLimits

    return PartitionLimits


def check_partitions(folder: Path, how: dict) -> None:
    """Partitions that are taken have names and limits."""
    path = folder / "partitions.yaml"
    partition_file.check_partitions(path, limits())
    found = yaml.safe_load(path.read_text(encoding="utf-8"))["partitions"]
    same("names", True, bool(found) and all(isinstance(name, str) and name.strip() for name in found))


# Images

LOCK, SIF = b"numpy==1\n", b"12345678"
FACTS = {"locks": {"envs/a.lock": hashlib.sha256(LOCK).hexdigest()}, "bytes": {"sif": len(SIF)}}
DIGEST = f"sha256:{'0' * 64}"


def check_local(folder: Path, how: dict) -> None:
    """An image that is taken has the size that its record names."""
    images.check_local(folder / "metrics-cpu.sif", folder)
    record = folder / "metrics-cpu.json"
    if record.is_file():
        same("size", (folder / "metrics-cpu.sif").stat().st_size, json_files.read_json(record)["bytes"]["sif"])


def location(folder: Path, how: dict) -> None:
    """An image's place is one word, and ends in its digest."""
    found = images.location("metrics-cpu", None, folder / "images.yaml")
    same(
        "a place of one word",
        True,
        isinstance(found, str) and len(found.split()) == 1 and "/metrics-cpu@sha256:" in found,
    )


# The plan

ASSUMED = shipped("resources/throughput.yaml")


def load_assumptions(folder: Path, how: dict) -> None:
    """Every assumption is a finite number above 0."""
    assumed = sizes.load_assumptions(folder / "throughput.yaml")
    numbers = [assumed[name] for name in ASSUMED["values"]]
    same("numbers that are none", [], [number for number in numbers if not (is_finite(number) and number > 0)])
    counts = [*assumed.samples_above("prompt2").values(), *assumed.samples_above("prompt1")]
    same("counts that are none", [], [count for count in counts if not (is_finite(count) and count >= 0)])


@cache
def assumptions() -> sizes.Assumptions:
    """The shipped ones."""
    return sizes.load_assumptions()


RUN = "results/old"
SMALL = {key: CONFIG[key] for key in ("run", "generation", "prompts", "dataset", "datasets")} | {
    "models": {"llama3-70b-instruct": CONFIG["models"]["llama3-70b-instruct"]}
}
PAST = {f"{RUN}/config.yaml": yaml_file(SMALL), f"{RUN}/ed/train.jsonl": plain(b"{}\n" * 6)}
for shard in ("0", "1"):
    PAST |= {
        f"{RUN}/synthetic/prompt2/outputs/{shard}.jsonl": json_lines(valid.OUTPUTS),
        f"{RUN}/benchmarks/generate/prompt2/{shard}.tsv": table(
            [["s", "h:m:s", "max_rss"], ["100.0", "0:01:40", "1.0"]], "\t"
        ),
        f"{RUN}/logs/generate/prompt2/{shard}.log": plain(b"generate: 3 rows, 0 finished before\n"),
    }


def past_jobs(folder: Path, how: dict) -> None:
    """Every benchmark file is a job or left out for a reason, and every job has done something in some time."""
    found, left_out = measured.past_jobs(folder / "results", assumptions())
    files = [path for path in folder.glob(f"{RUN}/benchmarks/**/*.tsv") if path.is_file()]
    same("benchmark files", len(files), len(found) + left_out.total())
    for rate in measured.rates(found).values():
        same("a rate that is a number", True, 0 < rate.per_second < math.inf)


CATALOGUE = yaml_file({"registry": "docker://host/owner", "images": {"metrics-cpu": DIGEST, "train-cpu": None}})
IMAGE = {"metrics-cpu.sif": plain(SIF), "metrics-cpu.json": json_file(FACTS), "envs/a.lock": plain(LOCK)}
LISTED = yaml_file({"partitions": {"cpu": {}, "gpu": {"max_runtime": "2-00:00:00", "max_gpu": 8, "cluster": "other"}}})
SAYS = {
    "settings": spoken(SETTINGS, ODD_SETTINGS),
    "partitions": spoken(PARTITIONS, ODD_PARTITIONS),
    "command": one_of("squeue", "sacct", None),
}
SAYS |= {"sacct": one_of(True, False)}
LOGGED = {"log": spoken(LOG, ()), "nodes": spoken(NODES, ("NodeList=\n", "None\n", "Invalid job id\n"))}
QUEUED = {
    "queue": spoken(QUEUE, (*ODD_JOBS, LONG_PATH)),
    "comment": one_of("rule_other", "rule_generate_wildcards_p_0"),
}
READERS = [
    Reader(
        "settings.check",
        check_settings,
        how={"config": Part(CONFIG, steps(CHANGES, 2).map(reconfigured))},
        scripted=False,
    ),
    Reader(
        "prompts.load_prompt",
        load_prompt,
        {"prompt.yaml": yaml_file(PROMPT), "demonstration.yaml": yaml_file(DEMONSTRATION)},
    ),
    Reader("prompts.load_rubric", load_rubric, {"rubric.yaml": yaml_file(RUBRIC)}),
    Reader("claim_list.load", load_claims, {"claims.yaml": yaml_file(FEW)}),
    Reader("run_results.Results", read_results, BUILT),
    Reader("cluster, sinfo", read_nodes, how={"sinfo": spoken(SINFO, ODD_LINES)}, scripted=False),
    Reader("cluster, scontrol", read_partitions, how=SAYS, scripted=False),
    Reader("cluster, squeue", check_leftovers, how=QUEUED, scripted=False),
    Reader("cluster, log", explain_silence, how=LOGGED, scripted=False),
    Reader("partition_file.check_partitions", check_partitions, {"partitions.yaml": LISTED}, scripted=False),
    Reader("images.check_local", check_local, IMAGE, scripted=False),
    Reader("images.location", location, {"images.yaml": CATALOGUE}, scripted=False),
    Reader("sizes.load_assumptions", load_assumptions, {"throughput.yaml": yaml_file(ASSUMED)}),
    Reader("measured.past_jobs", past_jobs, PAST),
]
