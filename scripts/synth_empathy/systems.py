"""The names of systems: what a model was trained on, how synthetic samples were selected, what a judge is shown.

A system is a base model and a training set. A training set is one of

    none                                      nothing: the base model answers as it is (zero-shot)
    authors-code, published                   not ours: a baseline of other authors' code, or published outputs
    {dataset}                                 the data set alone, such as ed
    {dataset}+{prompt}-{quality}-{selection}  the data set and synthetic samples, such as ed+prompt2-dk60-kcenter

{dataset} is the name of the run's data set; the configuration writes the word ``dataset`` for it. The samples were
written under {prompt}. {quality} says which of them passed the quality selection, {selection} which of those the
diversity selection kept (``diversity.SELECTIONS``). A quality is one of

    dk{T}                                     a similarity to the discriminator's answer above the DK threshold T
    draw{T}                                   as many as that, drawn from all (the paper's Table 3)
    top{N}-{scorer}                           the N best by a scorer: similarity, or one of the configuration's

The judge of Figure 5 is shown a stage: before any selection, or {quality}-{selection}.

Each of these words stands in this module alone. Rules, settings, tables and the plan take names apart and put them
together with the classes below, and constrain wildcards by the patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .core.errors import UserError, nearest
from .selection import diversity
from .selection.quality import SIMILARITY

#: The data set of the paper, EmpatheticDialogues, by its name in the configuration.
ED = "ed"
#: What the configuration writes for the run's data set, so that its rows hold for every data set.
THE_DATASET = "dataset"
#: The training set of a model that nobody trained.
UNTRAINED = "none"
#: The training sets of systems that are not ours, and the catalogue of the configuration that holds their bases.
AUTHORS, PUBLISHED = "authors-code", "published"
CATALOGUES = {AUTHORS: "baselines", PUBLISHED: "published"}

#: Kinds of quality selection: above a DK threshold; as many as that, drawn; the best by a scorer.
THRESHOLD, DRAW, BEST = "dk", "draw", "top"

#: The judge's stage before any selection.
BEFORE = "before"
#: What a model answers: the test split, or a prompt's synthetic samples.
TEST, SYNTHETIC = "test", "synthetic-"


#: The folders of results/{run}/ beside the data set's own, which no data set's name may be.
FOLDERS = (
    "archive", "baselines", "benchmarks", "cells", "comparisons", "figures", "human", "judged", "logs", "metrics",
    "models", "reports", "responses", "scored", "selected", "synthetic", "tables", "training",
)  # fmt: skip
#: Words that have another meaning in names of training sets or in paths.
RESERVED = (UNTRAINED, *CATALOGUES, THE_DATASET, *FOLDERS)


# Patterns of wildcards


def one_of(names: Any) -> str:
    """A pattern that takes each of some names."""
    return f"(?:{'|'.join(map(re.escape, names))})"


#: A name in paths; and one that stands between dashes, and so has none: a prompt, a scorer, a selection.
NAME = "[a-z0-9][a-z0-9._-]*"
PART = diversity.NAME
#: A DK threshold, 0 to 100, with decimals if any; and a number of samples.
DK = r"(?:100(?:[.]0+)?|[0-9]{1,2}(?:[.][0-9]+)?)"
SIZE = "[1-9][0-9]{0,8}"
QUALITY = f"(?:{one_of([THRESHOLD, DRAW])}{DK}|{BEST}{SIZE}-{PART})"
#: A quality whose samples are the same for every seed.
UNDRAWN = f"(?:{THRESHOLD}{DK}|{BEST}{SIZE}-{PART})"
SELECTION = one_of(diversity.SELECTIONS)
STAGE = f"(?:{BEFORE}|{QUALITY}-{SELECTION})"
#: Any data set's name.
DATASET = f"(?!{one_of(RESERVED)}(?![a-z0-9_]))[a-z0-9][a-z0-9_]*"
OTHERS = one_of(CATALOGUES)


def trained_on(dataset: str = DATASET) -> str:
    """A pattern of the training sets that a model is trained on here; of one data set, or of any."""
    return rf"(?:{dataset}(?:\+{PART}-{QUALITY}-{SELECTION})?)"


def ours(dataset: str = DATASET) -> str:
    """A pattern of the training sets that a model answers after here."""
    return f"(?:{UNTRAINED}|{trained_on(dataset)})"


def every_training_set(dataset: str = DATASET) -> str:
    """A pattern of all training sets, those of systems that are not ours included."""
    return f"(?:{ours(dataset)}|{OTHERS})"


TRAINING_SET = every_training_set()
INPUTS = f"(?:{TEST}|{SYNTHETIC}{PART})"


# Names taken apart


@dataclass(frozen=True)
class Quality:
    """A quality selection.

    Attributes:
        kind: ``THRESHOLD``, ``DRAW`` or ``BEST``.
        amount: the threshold or the number of samples, as its name writes it.
        scorer: what the samples are scored by.
    """

    kind: str
    amount: str
    scorer: str = SIMILARITY

    def __str__(self) -> str:
        return f"{self.kind}{self.amount}" + (f"-{self.scorer}" if self.kind == BEST else "")

    @classmethod
    @cache
    def parse(cls, text: str) -> Quality:
        """A quality selection by its name.

        Raises:
            UserError: it is none, or its threshold is out of range.
        """
        number = "[0-9]+(?:[.][0-9]+)?"
        found = re.fullmatch(f"({one_of([THRESHOLD, DRAW, BEST])})({number})(?:-({PART}))?", text)
        if not found or (found[1] == BEST) != bool(found[3]):
            raise UserError(f"there is no quality selection {text!r}", f"use one such as {QUALITIES}")
        kind, amount, scorer = found.groups()
        if kind == BEST and not re.fullmatch(SIZE, amount):
            problem = f"{text}: the number of samples is {amount}"
            raise UserError(f"{problem}; it must be a whole number of at least 1, of at most 9 digits", "correct it")
        if kind != BEST and not 0 <= float(amount) <= 100:
            problem = f"the DK threshold {amount} is out of range; it must be at least 0 and at most 100"
            raise UserError(problem, "correct it")
        return cls(kind, amount, scorer or SIMILARITY)

    @classmethod
    def threshold(cls, dk: float) -> Quality:
        """Above a DK threshold."""
        return cls(THRESHOLD, f"{dk:g}")

    @classmethod
    def draw(cls, dk: float) -> Quality:
        """As many as pass a DK threshold, drawn."""
        return cls(DRAW, f"{dk:g}")

    @property
    def dk(self) -> float | None:
        """The DK threshold that all its samples pass; None where they were chosen otherwise."""
        return float(self.amount) if self.kind == THRESHOLD else None

    @property
    def size(self) -> int | None:
        """How many samples pass, where that is decided beforehand; else None."""
        return int(self.amount) if self.kind == BEST else None

    @property
    def drawn(self) -> bool:
        """Whether its samples differ from seed to seed."""
        return self.kind == DRAW

    def samples(self, prompt: str, seed: object) -> str:
        """The file of the samples that passed, below results/{run}/."""
        return f"selected/{prompt}/{self}/{f'seed{seed}' if self.drawn else 'quality'}.jsonl"

    def faults(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """The scorer that it names, where the configuration lacks it."""
        known = [SIMILARITY, *settings["scorers"]]
        if self.scorer not in known:
            yield f"there is no scorer {self.scorer!r}{nearest(self.scorer, known)}"

    def in_words(self) -> str:
        """The selection as tables name it."""
        if self.kind == BEST:
            return f"the {self.size:,} best by {self.scorer}"
        return f"as many as DK {self.amount}, drawn" if self.drawn else f"DK {self.amount}"


@dataclass(frozen=True)
class Selected:
    """Synthetic samples written under a prompt, and selected by quality, then by diversity."""

    prompt: str
    quality: Quality
    selection: str

    @classmethod
    @cache
    def at(cls, prompt: str, stage: str) -> Selected:
        """The samples of a prompt that a stage names: {quality}-{selection}.

        Raises:
            UserError: it is no such stage.
        """
        quality, _, selection = stage.rpartition("-")
        if selection not in diversity.SELECTIONS:
            hint = nearest(selection, diversity.SELECTIONS)
            problem = f"{stage!r} has no diversity selection after its last dash: there is no {selection!r}{hint}"
            raise UserError(problem, f"use one such as {STAGES}")
        return cls(prompt, Quality.parse(quality), selection)

    @property
    def stage(self) -> str:
        """The judge's name of it."""
        return f"{self.quality}-{self.selection}"

    def samples(self, seed: object) -> str:
        """Its file of samples, below results/{run}/."""
        return f"{self._folder}/seed{seed}.jsonl"

    def counts(self, seed: object) -> str:
        """The file that counts them, below results/{run}/."""
        return f"{self._folder}/seed{seed}.counts.json"

    def novelty(self, seed: object) -> str:
        """The report on them, below results/{run}/."""
        return f"reports/novelty/{self.prompt}/{self.quality}/{self.selection}/seed{seed}.json"

    @property
    def _folder(self) -> str:
        return f"selected/{self.prompt}/{self.quality}/{self.selection}"

    def in_words(self) -> str:
        """The samples as tables name them."""
        words = [self.prompt, self.quality.in_words(), diversity.SELECTIONS[self.selection].title]
        return ", ".join(filter(None, words))

    def faults(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """What it names and the configuration lacks: a prompt, a scorer."""
        if self.prompt not in settings["prompts"]:
            yield f"there is no prompt {self.prompt!r}{nearest(self.prompt, settings['prompts'])}"
        yield from self.quality.faults(settings)


@dataclass(frozen=True)
class TrainingSet:
    """What a model was trained on.

    Attributes:
        source: ``UNTRAINED``, ``AUTHORS``, ``PUBLISHED`` or a data set's name; in the configuration ``THE_DATASET``.
        selected: the synthetic samples beside the data set; None without any.
    """

    source: str
    selected: Selected | None = None

    def __str__(self) -> str:
        if self.selected is None:
            return self.source
        return f"{self.source}+{self.selected.prompt}-{self.selected.stage}"

    @classmethod
    @cache
    def parse(cls, text: str) -> TrainingSet:
        """A training set by its name.

        Raises:
            UserError: it is none; says what is wrong with it.
        """
        source, plus, synthetic = text.partition("+")
        named = source == THE_DATASET or re.fullmatch(DATASET, source)
        if not plus and (named or text in (UNTRAINED, *CATALOGUES)):
            return cls(text)
        prompt, dash, stage = synthetic.partition("-")
        if not named or not re.fullmatch(PART, prompt) or not dash:
            known = ", ".join([UNTRAINED, *CATALOGUES])
            form = "{dataset}+{prompt}-{quality}-{selection}"
            problem = f"{text!r} is no training set: neither {known}, a data set's name nor {form}"
            raise UserError(problem, f"use one such as {ED}+prompt2-{STAGES}")
        return cls(source, Selected.at(prompt, stage))

    @property
    def catalogue(self) -> str | None:
        """The catalogue of the configuration that holds its bases, of a system that is not ours; else None."""
        return CATALOGUES.get(self.source)

    @property
    def trained(self) -> bool:
        """Whether a model is trained on it here."""
        return self.source != UNTRAINED and self.catalogue is None


@dataclass(frozen=True)
class System:
    """A base model and what it was trained on."""

    base: str
    training_set: TrainingSet

    def __str__(self) -> str:
        """Its name in paths and tables."""
        return f"{self.base}/{self.training_set}"

    def in_words(self) -> str:
        """The system as Tables 2 to 4 name it."""
        selected = self.training_set.selected
        return ", ".join([self.base, selected.in_words() if selected else str(self.training_set)])


#: Examples, as errors show them.
QUALITIES = f"{Quality(THRESHOLD, '60')}, {Quality(DRAW, '60')} or {Quality(BEST, '1000')}"
STAGES = f"{Quality(THRESHOLD, '60')}-{diversity.K_CENTER}"


def with_dataset(training_set: str, dataset: str) -> str:
    """A training set of the configuration with the data set's name in place of the word ``dataset``."""
    source, plus, synthetic = training_set.partition("+")
    return f"{dataset}{plus}{synthetic}" if source == THE_DATASET else training_set


def seeds_of(training_set: str, seeds: list[int], greedy: bool) -> list[int]:
    """The seeds that a system has: all, or the first where every seed gives the same and a spread would be made up.

    So it is with outputs that exist once, and with a model that nobody trained and that answers without drawing.

    Args:
        greedy: whether models answer without drawing.
    """
    once = training_set in CATALOGUES or (training_set == UNTRAINED and greedy)
    return seeds[:1] if once else seeds


def samples_at(prompt: str, stage: str, seed: object) -> str:
    """The file of the samples at a stage of the judge, below results/{run}/."""
    if stage == BEFORE:
        return f"synthetic/{prompt}/samples.jsonl"
    return Selected.at(prompt, stage).samples(seed)


def prompt_of(inputs: str) -> str | None:
    """The prompt whose synthetic samples a model answers; None of the test split."""
    return None if inputs == TEST else inputs.removeprefix(SYNTHETIC)
