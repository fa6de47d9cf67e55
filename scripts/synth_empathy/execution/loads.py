"""What a job of each rule has to do: requests, tokens, records, products and bytes, from its wildcards and the sizes.

One function a rule, named as the rule; ``LOADS`` lists them. A new rule gets its load here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..selection import diversity
from ..systems import TEST, UNTRAINED, Quality, Selected
from .sizes import GB, Sizes


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
    history, answer = sizes.ed_sample() if inputs == TEST else (sizes.synthetic_sample()[0], sizes.ed_sample()[1])
    if training_set == UNTRAINED:
        most = settings["responding" if inputs == TEST else "discriminator"]["max_tokens"]
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
    tokens = (
        samples * once
        + (samples - synthetic) * sum(sizes.ed_sample())
        + (synthetic * sum(sizes.synthetic_sample()) if synthetic else 0)
    )
    checkpoints = (
        sizes.model(base)["parameters"] * 1e9 * sizes.assumed["checkpoint"] if recipe["method"] == "full" else 0
    )
    return Load(
        work=samples * recipe["epochs"], tokens_in=tokens * recipe["epochs"], model=base, variant=recipe["method"],
        training=recipe["method"], disk=sizes.weights(base), scratch=checkpoints,
    )  # fmt: skip


def embed_texts(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a prompt's texts, and the samples' similarities; its work is the texts."""
    prompt, chosen = wildcards["prompt"], sizes.settings["scoring"]
    samples, texts = sizes.samples(prompt), sizes.texts(prompt)
    history, response = sizes.synthetic_sample()
    tokens = samples * (history + 2 * response + sizes.ed_sample()[1])
    if chosen["prompt_name"]:
        tokens += texts * sizes.assumed["embedding_prompt"]
    disk = embeddings_disk(sizes, texts) + samples * sizes.assumed["record"]
    return Load(work=texts, requests=texts, tokens_in=tokens, model=chosen["model"], disk=disk)


def embeddings_disk(sizes: Sizes, texts: int) -> float:
    """Bytes of texts with their embeddings."""
    chosen = sizes.settings["scoring"]
    return texts * (
        sizes.assumed["record"] + {"float16": 2, "float32": 4}[chosen["storage"]] * sizes.dimensions(chosen["model"])
    )


def evaluate(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A system's metrics of shared words; its work is the responses."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    return Load(work=rows, rows=rows, variant=wildcards["protocol"], disk=sizes.assumed["record"])


def evaluate_metric(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A system's scores by a metric that was added; its work is the responses."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    variant = f"{wildcards['metric']}, {wildcards['protocol']}"
    return Load(work=rows, rows=rows, variant=variant, disk=sizes.assumed["record"])


def evaluate_bertscore(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """BERTScore's model over predictions and references; its work is the responses."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    model = sizes.settings["evaluation"]["bertscore"]["model"]
    tokens = 2 * rows * sizes.ed_sample()[1]
    return Load(
        work=rows,
        rows=rows,
        tokens_in=tokens,
        model=model,
        variant=wildcards["protocol"],
        disk=rows * sizes.assumed["record"],
    )


def select_diverse(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A selection; of one that compares embeddings, the work is rows x chosen rows."""
    selected = selected_of(wildcards)
    rows, chosen = sizes.passed(selected.prompt, selected.quality), sizes.selected(selected, wildcards["seed"])
    load = Load(work=rows, rows=rows, variant=selected.selection, disk=chosen * sizes.assumed["record"])
    compared = diversity.SELECTIONS[selected.selection].compared(rows, chosen)
    if not compared:
        return load
    products = 2 * compared * sizes.dimensions(sizes.settings["scoring"]["model"])
    return replace(load, work=rows * chosen, products=products)


def selected_of(wildcards: dict[str, str]) -> Selected:
    """The selection that a job's wildcards name."""
    return Selected(wildcards["prompt"], Quality.parse(wildcards["quality"]), wildcards["selection"])


def judge(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """Marks by every criterion; their number is its work. A mark drawn is two tokens (the mark, the end of the turn), one read is none."""
    chosen = sizes.settings["judge"]
    samples = sizes.drawn_to_judge(wildcards["prompt"], wildcards["stage"], wildcards["seed"])
    marks = samples * len(chosen["criteria"])
    return Load(
        work=marks, requests=marks, tokens_in=marks * sizes.rubric_prompt(), tokens_out=2 * marks if chosen["mode"] == "sampling" else 0,
        model=chosen["model"], variant=f"{chosen['engine']}, {chosen['mode']}", disk=samples * sizes.assumed["record"],
    )  # fmt: skip


def embed_ed(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a split of ED; its work is the texts."""
    chosen, texts = sizes.settings["scoring"], sizes.ed(wildcards["split"])
    tokens = texts * (sum(sizes.ed_sample()) + (sizes.assumed["embedding_prompt"] if chosen["prompt_name"] else 0))
    return Load(
        work=texts, requests=texts, tokens_in=tokens, model=chosen["model"], disk=embeddings_disk(sizes, texts)
    )


def report_novelty(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """Nearest neighbours among the selected samples and ED's; its work is the pairs that are compared."""
    chosen = selected_of(wildcards)
    selected, passed = sizes.selected(chosen, wildcards["seed"]), sizes.passed(chosen.prompt, chosen.quality)
    train, test = sizes.ed("train"), sizes.ed("test")
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
    "select_quality": reading(samples_of),
    "draw_samples": reading(samples_of),
    "select_top": reading(samples_of),
    "select_diverse": select_diverse,
    "judge": judge,
    "embed_ed": embed_ed,
    "report_novelty": report_novelty,
    "evaluate": evaluate,
    "evaluate_metric": evaluate_metric,
    "evaluate_bertscore": evaluate_bertscore,
}

#: The unit of each rule's work, for the plan's words; rows where it is not here.
WORK = {
    "generate": "tokens written",
    "respond": "responses",
    "train_model": "samples x epochs",
    "embed_texts": "texts",
    "judge": "marks",
    "embed_ed": "texts",
    "evaluate": "responses",
    "evaluate_metric": "responses",
    "evaluate_bertscore": "responses",
}
