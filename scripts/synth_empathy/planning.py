"""What a target costs before anything runs: requests, tokens, hours, GPU-hours and disk of each job (docs/plan.md).

A job's ``Load`` follows from its rule, its wildcards and the configuration: rows are counted in files that exist and
estimated where they do not. Its time follows from the load and either stated assumptions (resources/throughput.yaml)
or a rate that earlier jobs' benchmark files gave (measured.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from .errors import UserError
from .prompts import load_demonstration, load_prompt
from .records import Record
from .settings import ROOT, TRAINING_SET, Settings, explain

ASSUMPTIONS = ROOT / "resources" / "throughput.yaml"
SCHEMA = ROOT / "resources" / "throughput.schema.yaml"

GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2}

#: Records in a file, or None where it does not exist or is about to be made again.
Count = Callable[[str], "int | None"]
#: The sum of a field over a file's records, on the same terms.
Total = Callable[[str, str], "float | None"]


class Assumptions:
    """The checked values of resources/throughput.yaml; remembers which were asked for.

    Args:
        document: the file's content.
        name: the file's name for errors.

    Raises:
        UserError: a key that is unknown (with the nearest known one), missing, or no number above 0.
    """

    def __init__(self, document: Record, name: str = str(ASSUMPTIONS.name)):
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
        faults = [explain(error) for error in Draft202012Validator(schema).iter_errors(document)]
        if faults:
            raise UserError(f"{name} is not valid:\n  - " + "\n  - ".join(faults), "correct it (resources/throughput.schema.yaml says what it must hold)")
        self._document = document
        self.used: dict[str, Record] = {}

    def __getitem__(self, name: str) -> float:
        """One value, in the unit that the file states."""
        self.used[name] = self._document["values"][name]
        return self.used[name]["value"]

    def samples_above(self, prompt: str) -> dict[float, int]:
        """The paper's count of samples by DK threshold for a prompt."""
        table = self._document["tables"]["samples_above_threshold"]
        self.used["samples_above_threshold"] = {"value": "paper, table 2", "unit": "samples", "source": table["source"]}
        return {float(dk): count for dk, count in table.get(prompt, table["prompt2"]).items()}


def load_assumptions(path: Path = ASSUMPTIONS) -> Assumptions:
    """Read and check the file of assumptions."""
    try:
        return Assumptions(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}", "restore it from the repository (git checkout)") from None


@dataclass(frozen=True)
class Job:
    """One job as Snakemake plans it."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    output: tuple[str, ...] = ()
    threads: int = 1
    gpus: int = 0


@dataclass(frozen=True)
class Load:
    """What a job has to do.

    Args:
        work: in the rule's own unit (``WORK``), by which jobs of one rule compare.
        rows: records read or written besides a model's work.
        tokens_in, tokens_out: tokens that the model reads and writes.
        model: its key in the catalogue; None for a step without one.
        variant: what else makes jobs of a rule comparable: the engine, the method.
        training: lora or full where the tokens are trained on; None where they are read.
        products: float32 operations of matrix products on the CPU.
        network_bytes: bytes over the network.
        disk, scratch: bytes of the outputs, and of what is removed when the job ends.
    """

    work: float = 0.0
    rows: float = 0.0
    requests: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    model: str | None = None
    variant: str | None = None
    training: str | None = None
    products: float = 0.0
    network_bytes: float = 0.0
    disk: float = 0.0
    scratch: float = 0.0


class Sizes:
    """How many rows each file has and how long their texts are: counted where a file is there, estimated where not.

    Args:
        settings: the merged configuration.
        count, total: see ``Count`` and ``Total``; paths begin with results/{run}/.
    """

    def __init__(self, settings: Settings, assumed: Assumptions, count: Count, total: Total):
        self.settings, self.assumed = settings, assumed
        self._count, self._total = count, total
        self.root = f"results/{settings['run']}"

    def rows(self, path: str, estimate: Callable[[], float]) -> int:
        """Rows of a file of this run; ``estimate`` is asked only when it cannot be counted."""
        counted = self._count(f"{self.root}/{path}")
        return round(estimate()) if counted is None else counted

    def ed(self, split: str) -> int:
        """Samples of a split of ED."""
        keep = self.settings["ed"]["keep"][split]
        return self.rows(f"ed/{split}.jsonl", lambda: min(keep or math.inf, self.assumed[f"ed_{split}"]))

    def all_outputs(self) -> int:
        """Outputs of the generator under one prompt: seeds x passes."""
        chosen = self.settings["generation"]
        return min(chosen["keep"] or math.inf, self.ed("train")) * chosen["passes"]

    def outputs(self, prompt: str, shard: int) -> int:
        """Outputs in one shard; every shards-th row is its own (generate.py)."""
        total, shards = self.all_outputs(), self.settings["generation"]["shards"]
        return self.rows(f"synthetic/{prompt}/outputs/{shard}.jsonl", lambda: len(range(shard, total, shards)))

    def output_tokens(self, prompt: str, shard: int) -> float:
        """Tokens that the generator writes in one shard."""
        counted = self._total(f"{self.root}/synthetic/{prompt}/outputs/{shard}.jsonl", "tokens")
        return self.outputs(prompt, shard) * self.tokens_an_output() if counted is None else counted

    def tokens_an_output(self) -> float:
        """Tokens of one output of the generator."""
        return self.assumed["output_share"] * self.settings["generation"]["max_tokens"]

    def samples(self, prompt: str) -> int:
        """Synthetic samples: one a parsed dialogue."""
        return self.rows(f"synthetic/{prompt}/samples.jsonl", lambda: self.all_outputs() * self.assumed["parse_yield"])

    def quality(self, prompt: str, dk: str) -> int:
        """Samples that pass the quality rule."""
        return self.rows(f"selected/{prompt}/dk{dk}/quality.jsonl", lambda: self.samples(prompt) * self.share_above(prompt, float(dk)))

    def share_above(self, prompt: str, dk: float) -> float:
        """The share of samples above a DK threshold: the paper's at its thresholds, straight lines between them."""
        of = self.assumed["ed_train"] * 5 * self.assumed["parse_yield"]  # the paper's five passes
        points = [(0.0, 1.0)] + sorted((at, min(1.0, count / of)) for at, count in self.assumed.samples_above(prompt).items()) + [(100.0, 0.0)]
        for (low, high_share), (high, low_share) in zip(points, points[1:]):
            if dk <= high:
                return high_share + (low_share - high_share) * (dk - low) / (high - low)
        return 0.0

    def selected(self, prompt: str, dk: str, selection: str, seed: str) -> int:
        """Samples that the selection keeps of those above the threshold."""
        ratio = 1.0 if selection == "none" else self.settings["selection"]["ratio"]
        return self.rows(f"selected/{prompt}/dk{dk}/{selection}/seed{seed}.jsonl", lambda: math.floor(ratio * self.quality(prompt, dk)))

    def synthetic_part(self, training_set: str, seed: str) -> int:
        """Synthetic samples of a training set."""
        parts = TRAINING_SET.fullmatch(training_set)
        return self.selected(parts["prompt"], parts["dk"], parts["selection"], seed) if parts else 0

    def training(self, training_set: str, seed: str) -> int:
        """Samples of a training set."""
        path = f"training/{training_set}/seed{seed}.jsonl"
        return self.rows(path, lambda: self.ed("train") + self.synthetic_part(training_set, seed))

    def responses(self, base: str, training_set: str, seed: str, inputs: str) -> int:
        """Rows that a model answers."""
        estimate = (lambda: self.ed("test")) if inputs == "test" else (lambda: self.samples(inputs.removeprefix("synthetic-")))
        return self.rows(f"responses/{base}/{training_set}/seed{seed}/{inputs}.jsonl", estimate)

    def texts(self, prompt: str) -> int:
        """Distinct texts to embed: at most two responses and the dialogue of each sample."""
        return self.rows(f"scored/{prompt}/texts.jsonl", lambda: 3 * self.samples(prompt))

    def tokens(self, characters: float) -> float:
        """Tokens of a text."""
        return characters / self.assumed["characters_per_token"]

    def ed_sample(self) -> tuple[float, float]:
        """Tokens of an ED sample's history and response."""
        return self.tokens(self.assumed["ed_history"]), self.tokens(self.assumed["ed_response"])

    def synthetic_sample(self) -> tuple[float, float]:
        """Tokens of a synthetic sample's history and response."""
        output = self.tokens_an_output()
        return output * self.assumed["synthetic_history"], output * self.assumed["synthetic_response"]

    def generation_prompt(self, prompt: str) -> float:
        """Tokens of the request for one output: the prompt's own text, an ED sample, and the demonstration if there is one."""
        own = own_characters(ROOT / self.settings["prompts"][prompt])
        characters = own + self.assumed["ed_history"] + self.assumed["ed_response"]
        if self.settings["generation"]["demonstration"]:
            example = load_demonstration(ROOT / self.settings["generation"]["demonstration"])
            characters += own + sum(len(example[part]) for part in ("context", "response", "answer"))
        return self.tokens(characters) + self.assumed["chat_template"]

    def model(self, name: str) -> Record:
        """A model's entry in the catalogue.

        Raises:
            UserError: it is not there, or without the number of its parameters.
        """
        entry = self.settings["models"].get(name, {})
        if "parameters" not in entry:
            problem = f"models: {name}: the plan needs `parameters`" if entry else f"there is no model {name!r} in the configuration"
            raise UserError(problem, f"add `parameters: N` (billions, from its model card) to models: {name} in config.yaml or the overlay")
        return entry

    def weights(self, name: str, dtype: str | None = None) -> float:
        """Bytes of a model's weights, in its own type or another."""
        entry = self.model(name)
        return entry["parameters"] * 1e9 * BYTES[dtype or entry["dtype"]]

    def dimensions(self, name: str) -> int:
        """Length of an embedding.

        Raises:
            UserError: the catalogue does not say.
        """
        if "dimensions" not in self.model(name):
            raise UserError(
                f"models: {name}: the plan needs `dimensions`", f"add `dimensions: N` (an embedding's length) to models: {name} in the configuration"
            )
        return self.model(name)["dimensions"]


@cache
def own_characters(prompt: Path) -> int:
    """Characters of a prompt's template besides its fields; read once, not for every shard."""
    return len(load_prompt(prompt)["template"].format(context="", response=""))


def fetch_ed(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """ED's archive; nothing comes over the network when it is here already."""
    size = sizes.assumed["ed_archive"]
    return Load(work=size, network_bytes=0 if sizes.settings["ed"]["archive"] else size, disk=size)


def fetch_model(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A model's repository; one out of an installed package is converted to float32 and not downloaded."""
    name = wildcards["model"]
    entry = sizes.model(name)
    if "package" in entry:
        return Load(work=1, disk=sizes.weights(name, "float32"))
    size = entry["download_gb"] * GB if "download_gb" in entry else sizes.weights(name)
    return Load(work=size, network_bytes=size, disk=size)


def generate(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """One shard of the generator's outputs; its work is the tokens written."""
    prompt, shard = wildcards["prompt"], int(wildcards["shard"])
    rows, written = sizes.outputs(prompt, shard), sizes.output_tokens(prompt, shard)
    chosen = sizes.settings["generation"]
    return Load(
        work=written, requests=rows, tokens_in=rows * sizes.generation_prompt(prompt), tokens_out=written,
        model=chosen["model"], variant=chosen["engine"], disk=rows * sizes.assumed["record"],
    )  # fmt: skip


def respond(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A model's responses to the test split or to synthetic samples; its work is the responses."""
    base, training_set, inputs = wildcards["base"], wildcards["training_set"], wildcards["inputs"]
    rows = sizes.responses(base, training_set, wildcards["seed"], inputs)
    settings = sizes.settings
    history, answer = sizes.ed_sample() if inputs == "test" else (sizes.synthetic_sample()[0], sizes.ed_sample()[1])
    if training_set == "none":
        most = settings["responding" if inputs == "test" else "discriminator"]["max_tokens"]
        answer = sizes.assumed["zero_shot_share"] * most
    asked = history + sizes.tokens(len(settings["dialogue"]["system"])) + sizes.assumed["chat_template"]
    return Load(
        work=rows, requests=rows, tokens_in=rows * asked, tokens_out=rows * answer,
        model=base, variant=settings["responding"]["engine"], disk=rows * sizes.assumed["record"],
    )  # fmt: skip


def train_model(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A fine-tuning, whose work is samples x epochs; full fine-tuning keeps large checkpoints until it ends."""
    base, training_set, seed = wildcards["base"], wildcards["training_set"], wildcards["seed"]
    recipe = sizes.settings["training"]["recipes"][sizes.settings["training"]["bases"][base]]
    samples, synthetic = sizes.training(training_set, seed), sizes.synthetic_part(training_set, seed)
    once = sizes.tokens(len(sizes.settings["dialogue"]["system"])) + sizes.assumed["chat_template"]
    tokens = samples * once + (samples - synthetic) * sum(sizes.ed_sample()) + (synthetic * sum(sizes.synthetic_sample()) if synthetic else 0)
    checkpoints = sizes.model(base)["parameters"] * 1e9 * sizes.assumed["checkpoint"] if recipe["method"] == "full" else 0
    return Load(
        work=samples * recipe["epochs"], tokens_in=tokens * recipe["epochs"], model=base, variant=recipe["method"],
        training=recipe["method"], disk=sizes.weights(base), scratch=checkpoints,
    )  # fmt: skip


def embed_texts(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a prompt's texts; its work is the texts."""
    prompt, chosen = wildcards["prompt"], sizes.settings["scoring"]
    samples, texts = sizes.samples(prompt), sizes.texts(prompt)
    history, response = sizes.synthetic_sample()
    tokens = samples * (history + 2 * response + sizes.ed_sample()[1])
    if chosen["prompt_name"]:
        tokens += texts * sizes.assumed["embedding_prompt"]
    return Load(work=texts, requests=texts, tokens_in=tokens, model=chosen["model"], disk=embeddings_disk(sizes, texts))


def embeddings_disk(sizes: Sizes, texts: int) -> float:
    """Bytes of texts with their embeddings."""
    chosen = sizes.settings["scoring"]
    return texts * (sizes.assumed["record"] + {"float16": 2, "float32": 4}[chosen["storage"]] * sizes.dimensions(chosen["model"]))


def evaluate(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A system's metrics: text metrics, and BERTScore's model over predictions and references; its work is the responses."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    model = sizes.settings["evaluation"]["bertscore"]["model"]
    tokens = 2 * rows * sizes.ed_sample()[1] if model else 0
    return Load(work=rows, rows=rows, tokens_in=tokens, model=model, variant=wildcards["protocol"], disk=sizes.assumed["record"])


def select_diverse(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A selection; k-center compares each chosen row with those that are left, and its work is rows x chosen rows."""
    prompt, dk, selection = wildcards["prompt"], wildcards["dk"], wildcards["selection"]
    rows, chosen = sizes.quality(prompt, dk), sizes.selected(prompt, dk, selection, wildcards["seed"])
    disk = chosen * sizes.assumed["record"]
    if selection != "kcenter":
        return Load(work=rows, rows=rows, variant=selection, disk=disk)
    products = 2 * chosen * (rows - chosen / 2) * sizes.dimensions(sizes.settings["scoring"]["model"])
    return Load(work=rows * chosen, rows=rows, variant=selection, products=products, disk=disk)


def embed_ed(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a split of ED; its work is the texts."""
    chosen, texts = sizes.settings["scoring"], sizes.ed(wildcards["split"])
    tokens = texts * (sum(sizes.ed_sample()) + (sizes.assumed["embedding_prompt"] if chosen["prompt_name"] else 0))
    return Load(work=texts, requests=texts, tokens_in=tokens, model=chosen["model"], disk=embeddings_disk(sizes, texts))


def report_novelty(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """Nearest neighbours among the selected samples and ED's; its work is the pairs that are compared."""
    prompt, dk = wildcards["prompt"], wildcards["dk"]
    selected = sizes.selected(prompt, dk, wildcards["selection"], wildcards["seed"])
    train, test, passed = sizes.ed("train"), sizes.ed("test"), sizes.quality(prompt, dk)
    coverages = 2 + sizes.settings["report"]["draws"]
    pairs = selected * (test + train + 2 * selected) + 2 * train * test + coverages * (passed - selected) * selected
    products = 2 * pairs * sizes.dimensions(sizes.settings["scoring"]["model"])
    return Load(work=pairs, rows=selected + train + test, products=products, disk=selected * sizes.assumed["record"])


def reading(rows: Callable[[Sizes, dict[str, str]], float]) -> Callable[[Sizes, dict[str, str]], Load]:
    """The load of a step that only reads and writes ``rows`` records; they are its work."""

    def load(sizes: Sizes, wildcards: dict[str, str]) -> Load:
        count = rows(sizes, wildcards)
        return Load(work=count, rows=count, disk=count * sizes.assumed["record"])

    return load


def samples_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A prompt's synthetic samples."""
    return sizes.samples(wildcards["prompt"])


def ed_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """ED's samples, all splits."""
    return sum(sizes.ed(split) for split in ("train", "valid", "test"))


def outputs_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A prompt's outputs, all shards."""
    return sum(sizes.outputs(wildcards["prompt"], shard) for shard in range(sizes.settings["generation"]["shards"]))


def training_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A training set's samples."""
    return sizes.training(wildcards["training_set"], wildcards["seed"])


#: How each rule's load follows from its wildcards. A rule that is not here has no model and few rows, or is named as not estimated.
LOADS: dict[str, Callable[[Sizes, dict[str, str]], Load]] = {
    "fetch_ed": fetch_ed,
    "fetch_model": fetch_model,
    "prepare_ed": reading(ed_of),
    "generate": generate,
    "parse_rounds": reading(outputs_of),
    "sample_turns": reading(samples_of),
    "mix_training_set": reading(training_of),
    "train_model": train_model,
    "respond": respond,
    "embed_texts": embed_texts,
    "score_similarity": reading(samples_of),
    "select_quality": reading(samples_of),
    "select_diverse": select_diverse,
    "embed_ed": embed_ed,
    "report_novelty": report_novelty,
    "evaluate": evaluate,
}

#: The unit of each rule's work, for the plan's words; rows where it is not here.
WORK = {
    "generate": "tokens written",
    "respond": "responses",
    "train_model": "samples x epochs",
    "embed_texts": "texts",
    "embed_ed": "texts",
    "evaluate": "responses",
}

#: What makes two jobs comparable: rule, model, variant, and whether they run on GPUs.
Key = tuple[str, "str | None", "str | None", bool]


@dataclass(frozen=True)
class Rate:
    """What earlier jobs did: work a second and device (a GPU, or the CPU job as a whole)."""

    per_second: float
    jobs: int
    largest: float  # the largest one's work


#: A rate is trusted for jobs up to this many times the work of the largest one measured: in a smaller one the start weighs too much.
REACH = 100


@dataclass(frozen=True)
class Estimate:
    """One job's cost: seconds (None when its rule is not known), and where the time comes from."""

    job: Job
    load: Load
    seconds: float | None
    measured: Rate | None = None

    @property
    def gpu_seconds(self) -> float:
        """Seconds x GPUs."""
        return (self.seconds or 0) * self.job.gpus


def key_of(rule: str, load: Load, gpus: int) -> Key:
    """The key under which jobs compare."""
    return (rule, load.model, load.variant, gpus > 0)


def estimate(job: Job, sizes: Sizes, rates: dict[Key, Rate]) -> Estimate:
    """One job's cost, by a measured rate where there is one within reach, by assumptions otherwise."""
    if not job.output:  # a target that only names files
        return Estimate(job, Load(), 0.0)
    if job.rule not in LOADS:
        return Estimate(job, Load(), None if job.gpus else sizes.assumed["start"])
    load = LOADS[job.rule](sizes, job.wildcards)
    rate = rates.get(key_of(job.rule, load, job.gpus))
    if rate and load.work <= REACH * rate.largest:
        return Estimate(job, load, load.work / rate.per_second / max(1, job.gpus), rate)
    return Estimate(job, load, assumed_seconds(load, job, sizes))


def assumed_seconds(load: Load, job: Job, sizes: Sizes) -> float:
    """Seconds by the assumptions: start, weights, the model's operations, records, matrix products and network, one after the other."""
    assumed = sizes.assumed
    seconds = assumed["start"]
    if load.rows:
        seconds += load.rows / assumed["rows"]
    if load.products:
        seconds += load.products / (job.threads * assumed["cpu_core"] * 1e12 * assumed["product_utilisation"])
    if load.network_bytes:
        seconds += load.network_bytes / (assumed["network"] * GB)
    if load.model:
        seconds += sizes.weights(load.model) / (assumed["loading"] * GB) + model_seconds(load, job, sizes)
    return seconds


def model_seconds(load: Load, job: Job, sizes: Sizes) -> float:
    """Seconds of a model's operations: per token a number of them for every parameter that takes part, at a share of the peak."""
    assumed, entry = sizes.assumed, sizes.model(load.model)
    peak = job.gpus * assumed[f"gpu_{entry['dtype']}"] if job.gpus else job.threads * assumed["cpu_core"]
    parameters = entry.get("active_parameters", entry["parameters"]) * 1e9
    if load.training:
        done = load.tokens_in * assumed[f"{load.training}_operations"] / assumed["train_utilisation"]
    else:
        done = load.tokens_in * assumed["read_operations"] / assumed["read_utilisation"]
        if load.tokens_out:
            done += load.tokens_out * assumed["read_operations"] / assumed["write_utilisation"]
    return done * parameters / (peak * 1e12)


@dataclass(frozen=True)
class Line:
    """The jobs of one rule and model, added up; hours are the mean of a job, and the longest one's."""

    rule: str
    model: str | None
    gpus: int
    jobs: int
    requests: int
    tokens_in: float
    tokens_out: float
    hours_a_job: float | None
    longest_hours: float | None
    gpu_hours: float
    disk_gb: float
    measured_jobs: int


def lines(estimates: list[Estimate]) -> list[Line]:
    """One line a rule, model and number of GPUs, in the order in which data flows; rules that the plan does not know come last."""
    groups: dict[tuple, list[Estimate]] = {}
    for one in estimates:
        model = one.job.wildcards.get("model") if one.job.rule == "fetch_model" else one.load.model
        groups.setdefault((one.job.rule, model, one.job.gpus), []).append(one)
    order = {rule: place for place, rule in enumerate(LOADS)}
    return [line(*key, groups[key]) for key in sorted(groups, key=lambda key: (order.get(key[0], len(order)), key[0], key[1] or "", key[2]))]


def line(rule: str, model: str | None, gpus: int, group: list[Estimate]) -> Line:
    """A group of estimates added up."""
    unknown = any(one.seconds is None for one in group)
    return Line(
        rule, model, gpus, len(group),
        requests=sum(one.load.requests for one in group),
        tokens_in=sum(one.load.tokens_in for one in group),
        tokens_out=sum(one.load.tokens_out for one in group),
        hours_a_job=None if unknown else sum(one.seconds for one in group) / len(group) / 3600,
        longest_hours=None if unknown else max(one.seconds for one in group) / 3600,
        gpu_hours=sum(one.gpu_seconds for one in group) / 3600,
        disk_gb=sum(one.load.disk for one in group) / GB,
        measured_jobs=sum(one.measured is not None for one in group),
    )  # fmt: skip


def plan(jobs: list[Job], sizes: Sizes, rates: dict[Key, Rate]) -> Record:
    """The whole plan as a JSON value: lines, totals, assumptions and measurements used (docs/plan.md).

    Raises:
        UserError: the catalogue lacks what a job's estimate needs.
    """
    estimates = [estimate(job, sizes, rates) for job in jobs]
    table = lines(estimates)
    used = {key_of(one.job.rule, one.load, one.job.gpus): one.measured for one in estimates if one.measured}
    return {
        "lines": [vars(entry) for entry in table],
        "totals": {
            "jobs": len(jobs),
            "requests": sum(entry.requests for entry in table),
            "tokens_in": sum(entry.tokens_in for entry in table),
            "tokens_out": sum(entry.tokens_out for entry in table),
            "hours_one_after_the_other": sum(one.seconds or 0 for one in estimates) / 3600,
            "gpu_hours": sum(entry.gpu_hours for entry in table),
            "disk_gb": sum(entry.disk_gb for entry in table),
        },
        "largest_gpus_of_a_job": max((job.gpus for job in jobs), default=0),
        "largest_scratch_gb": max((one.load.scratch for one in estimates), default=0) / GB,
        "download_gb": dict(sorted(
            (one.job.wildcards.get("model", "ED's archive"), one.load.network_bytes / GB) for one in estimates if one.load.network_bytes
        )),
        "not_estimated": sorted({one.job.rule for one in estimates if one.seconds is None}),
        "assumptions": {name: sizes.assumed.used[name] for name in sorted(sizes.assumed.used)},
        "measured": [
            {"rule": rule, "model": model, "variant": variant, "on": "GPUs" if gpu else "CPU", "unit": WORK.get(rule, "rows"), **vars(rate)}
            for (rule, model, variant, gpu), rate in used.items()
        ],
    }  # fmt: skip


def counters(root: Path, made_again: set[str]) -> tuple[Count, Total]:
    """Functions that count records and add up a field in JSON Lines files below ``root``, but not in those of ``made_again``."""

    @cache
    def count(path: str) -> int | None:
        if path in made_again or not (root / path).is_file():
            return None
        with open(root / path, "rb") as file:
            return sum(1 for _ in file)

    @cache
    def total(path: str, name: str) -> float | None:
        if count(path) is None:
            return None
        with open(root / path, encoding="utf-8") as file:
            return sum(json.loads(line)[name] for line in file)

    return count, total
