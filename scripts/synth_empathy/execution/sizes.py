"""The sizes of files before they are made: rows, lengths of texts, weights of models (docs/plan.md).

Rows are counted in files that exist. For other files they are estimated, from the configuration and the
stated assumptions (resources/throughput.yaml).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path

from ..config.settings import Settings
from ..core import yaml_files
from ..core.errors import UserError
from ..core.files import REMAKE
from ..core.paths import ROOT
from ..core.records import Record, check_record
from ..data.prompts import load_demonstration, load_prompt
from ..data.readers import Reader, reader_of
from ..schema import json_schemas
from ..selection import diversity
from ..systems import BEFORE, TEST, THRESHOLD, Quality, Selected, TrainingSet, prompt_of

ASSUMPTIONS = ROOT / "resources" / "throughput.yaml"
SCHEMA = ROOT / "resources" / "throughput.schema.yaml"

GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2}

#: Counts the records of a file; None if it does not exist or is about to be made again.
Count = Callable[[str], "int | None"]
#: Sums a field over the records of a file; None as above.
Total = Callable[[str, str], "float | None"]


class Assumptions:
    """The checked values of resources/throughput.yaml; records which were used.

    Args:
        document: the file's content.
        name: the file's name for errors.

    Raises:
        UserError: a key is unknown (the message names the nearest known one) or missing, or a value is out of range.
    """

    def __init__(self, document: Record, name: str = str(ASSUMPTIONS.name)):
        faults = list(map(json_schemas.explain, json_schemas.errors(document, SCHEMA)))
        if faults:
            raise UserError(
                f"{name} is not valid:\n  - " + "\n  - ".join(faults),
                "correct it (resources/throughput.schema.yaml defines what it may contain)",
            )
        self._document = document
        self.used: dict[str, Record] = {}

    def __getitem__(self, name: str) -> float:
        """One value, in the unit that the file states."""
        self.used[name] = self._document["values"][name]
        return self.used[name]["value"]

    def samples_above(self, prompt: str) -> dict[float, int]:
        """The paper's count of samples by DK threshold for a prompt."""
        table = self._document["tables"]["samples_above_threshold"]
        self.used["samples_above_threshold"] = {
            "value": "paper, table 2",
            "unit": "samples",
            "source": table["source"],
        }
        counts = table["prompt2"] if prompt == "source" or prompt not in table else table[prompt]
        return {float(dk): count for dk, count in counts.items()}


def load_assumptions(path: Path = ASSUMPTIONS) -> Assumptions:
    """Read and check the file of assumptions."""
    hint = "correct it, or restore it from the repository (git checkout)"
    return Assumptions(yaml_files.load(path, hint), path.name)


class Sizes:
    """Rows of each file and lengths of their texts: counted in files that exist, otherwise estimated.

    Args:
        settings: the merged configuration.
        count, total: see ``Count`` and ``Total``; paths begin with results/{run}/.
    """

    def __init__(self, settings: Settings, assumed: Assumptions, count: Count, total: Total):
        self.settings, self.assumed = settings, assumed
        self._count, self._total = count, total
        self.root = f"results/{settings['run']}"

    def rows(self, path: str, estimate: Callable[[], float]) -> int:
        """Rows of a file of this run; ``estimate`` is called only if they cannot be counted."""
        counted = self._count(f"{self.root}/{path}")
        return round(estimate()) if counted is None else counted

    @property
    def dataset(self) -> str:
        """The name of the run's data set."""
        return self.settings["dataset"]

    def data(self, split: str) -> int:
        """Samples of a split of the run's data set: counted in its raw files, or assumed to be as many as ED's."""

        def estimate() -> float:
            counted = self._raw_counts
            known = self.assumed[f"ed_{split}"] if counted is None else counted[split]
            return min(getattr(self._reader.keep, split) or math.inf, known)

        return self.rows(f"{self.dataset}/{split}.jsonl", estimate)

    @cached_property
    def _reader(self) -> Reader:
        """The reader of the run's data set."""
        return reader_of(self.settings["datasets"][self.dataset])

    @cached_property
    def _raw_counts(self) -> dict[str, int] | None:
        """Samples of each split in the raw files; None where their reader does not count them."""
        return self._reader.count()

    def all_outputs(self) -> int:
        """Outputs of the generator under one prompt: seeds x samples_per_seed."""
        chosen = self.settings["generation"]
        return min(chosen["keep"] or math.inf, self.data("train")) * chosen["samples_per_seed"]

    def outputs(self, prompt: str, shard: int) -> int:
        """Outputs in one shard, which has every shards-th row (generate.py)."""
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
        """Synthetic samples: one per parsed dialogue."""
        return self.rows(f"synthetic/{prompt}/samples.jsonl", lambda: self.all_outputs() * self.assumed["parse_yield"])

    def quality(self, prompt: str, dk: str) -> int:
        """Samples above a DK threshold."""
        passed = Quality(THRESHOLD, dk).samples(prompt, seed=None)
        return self.rows(passed, lambda: self.samples(prompt) * self.share_above(prompt, float(dk)))

    def share_above(self, prompt: str, dk: float) -> float:
        """The share of samples above a DK threshold: the paper's at its thresholds, linear in between."""
        total = self.assumed["ed_train"] * 5 * self.assumed["parse_yield"]  # the paper's five passes
        counts = sorted(self.assumed.samples_above(prompt).items())
        known = [(threshold, min(1.0, count / total)) for threshold, count in counts]
        points = [(0.0, 1.0), *known, (100.0, 0.0)]
        for (low, high_share), (high, low_share) in zip(points, points[1:]):
            if dk <= high and low < high:
                return high_share + (low_share - high_share) * (dk - low) / (high - low)
        return 0.0

    def passed(self, prompt: str, quality: Quality) -> int:
        """Samples that pass the quality selection: those above a threshold, an equal number drawn, or the best."""
        if quality.size is None:
            return self.quality(prompt, quality.amount)
        return self.rows(quality.samples(prompt, seed=None), lambda: min(quality.size, self.samples(prompt)))

    def selected(self, chosen: Selected, seed: str) -> int:
        """Samples that the diversity selection keeps of those that passed."""
        keeps_all = diversity.SELECTIONS[chosen.selection].keeps_all
        ratio = 1.0 if keeps_all else self.settings["selection"]["ratio"]
        return self.rows(chosen.samples(seed), lambda: math.floor(ratio * self.passed(chosen.prompt, chosen.quality)))

    def synthetic_part(self, training_set: str, seed: str) -> int:
        """Synthetic samples of a training set."""
        selected = TrainingSet.parse(training_set).selected
        return self.selected(selected, seed) if selected else 0

    def drawn_to_judge(self, prompt: str, stage: str, seed: str) -> int:
        """Samples that are judged: drawn before the selection, or from the selected ones."""
        available = self.samples(prompt) if stage == BEFORE else self.selected(Selected.at(prompt, stage), seed)
        return min(self.settings["judge"]["keep"] or math.inf, available)

    def rubric_prompt(self) -> float:
        """Tokens of the request for one score, averaged over the criteria: the rubric and a synthetic sample."""
        lengths = [template_characters(ROOT / path) for path in self.settings["judge"]["criteria"].values()]
        return self.tokens(sum(lengths) / len(lengths)) + sum(self.synthetic_sample()) + self.assumed["chat_template"]

    def training(self, training_set: str, seed: str) -> int:
        """Samples of a training set."""
        path = f"training/{training_set}/seed{seed}.jsonl"
        return self.rows(path, lambda: self.data("train") + self.synthetic_part(training_set, seed))

    def responses(self, base: str, training_set: str, seed: str, inputs: str) -> int:
        """Rows that a model responds to."""

        def estimate() -> float:
            prompt = prompt_of(inputs)
            return self.samples(prompt) if prompt else self.data(TEST)

        return self.rows(f"responses/{base}/{training_set}/seed{seed}/{inputs}.jsonl", estimate)

    def texts(self, prompt: str) -> int:
        """Distinct texts to embed: for each sample at most two responses and the dialogue."""
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
        """Tokens of the request for one output: the prompt, an ED sample, and the demonstration if there is one."""
        template = template_characters(ROOT / self.settings["prompts"][prompt])
        characters = template + self.assumed["ed_history"] + self.assumed["ed_response"]
        if self.settings["generation"]["demonstration"]:
            example = load_demonstration(ROOT / self.settings["generation"]["demonstration"])
            characters += template + sum(len(example[part]) for part in ("context", "response", "answer"))
        return self.tokens(characters) + self.assumed["chat_template"]

    def model(self, name: str) -> Record:
        """A model's entry in the catalogue.

        Raises:
            UserError: it is missing, or has no number of parameters.
        """
        entry = self.settings["models"].get(name, {})
        if "parameters" in entry:
            return entry
        problem = f"there is no model {name!r} in the configuration"
        if entry:
            problem = f"models: {name}: the plan needs `parameters`"
        card = "`parameters: N` (billions, from its model card)"
        raise UserError(problem, f"add {card} to models: {name} in config.yaml or the overlay")

    def weights(self, name: str, dtype: str | None = None) -> float:
        """Bytes of a model's weights, in its own type or in ``dtype``."""
        entry = self.model(name)
        return entry["parameters"] * 1e9 * BYTES[dtype or entry["dtype"]]

    def dimensions(self, name: str) -> int:
        """Length of an embedding.

        Raises:
            UserError: the catalogue does not give it.
        """
        if "dimensions" not in self.model(name):
            hint = f"add `dimensions: N` (an embedding's length) to models: {name} in the configuration"
            raise UserError(f"models: {name}: the plan needs `dimensions`", hint)
        return self.model(name)["dimensions"]


@cache
def template_characters(prompt: Path) -> int:
    """Characters of a prompt's template without its fields; cached, since every shard asks."""
    return len(load_prompt(prompt)["template"].format(context="", response=""))


def counters(root: Path, made_again: set[str]) -> tuple[Count, Total]:
    """Functions that count the records and sum a field of JSON Lines files below ``root``.

    They return None for files that do not exist or are in ``made_again``. They raise UserError if a file cannot be
    read, or a line is not a record with that field.
    """

    @cache
    def count(path: str) -> int | None:
        if path in made_again or not (root / path).is_file():
            return None
        return sum(1 for _ in read_lines(root / path))

    @cache
    def total(path: str, name: str) -> float | None:
        if count(path) is None:
            return None
        numbered = enumerate(read_lines(root / path), start=1)
        return sum(read_amount(line, name, f"{root / path}, line {number}") for number, line in numbered)

    return count, total


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", REMAKE) from None


def read_amount(line: bytes, name: str, where: str) -> float:
    """A count in a field of a record.

    Raises:
        UserError: the line is not UTF-8 or not such a record, or the value is not a count.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 ({error.reason})", REMAKE) from None
    amount = check_record(text, {name: float}, where)[name]
    if not 0 <= amount <= yaml_files.LARGEST:
        raise UserError(f"{where}: the field {name!r} is {yaml_files.shown(amount)}, which is not a count", REMAKE)
    return amount
