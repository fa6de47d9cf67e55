"""The load of each rule's jobs: requests, tokens, records, products and bytes, from wildcards and sizes.

Each rule has one function, named like the rule; ``LOADS`` lists them. The load of a new rule is added here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..selection import diversity
from ..systems import TEST, UNTRAINED, Quality, Selected
from .sizes import GB, Sizes


@dataclass(frozen=True)
class Load:
    """The work of one job.

    Args:
        work: in the rule's own unit (``WORK``), by which jobs of one rule are compared.
        rows: records read or written, besides a model's work.
        tokens_in, tokens_out: tokens that the model reads and writes.
        model: its key in the catalogue; None for a step without a model.
        variant: a further condition for comparing jobs of a rule: the engine, the method.
        training: lora or full if the tokens are trained on; None if they are only read.
        products: float32 operations of matrix products on the CPU.
        network_bytes: bytes over the network.
        disk, scratch: bytes of the outputs, and of temporary files that are removed when the job ends.
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
    """ED's archive; nothing comes over the network if the configuration names a local copy."""
    size = sizes.assumed["ed_archive"]
    return Load(
        work=size, network_bytes=0 if sizes.settings["datasets"][sizes.dataset].get("archive") else size, disk=size
    )


def fetch_model(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A model's repository; a model from an installed package is converted to float32, not downloaded."""
    name = wildcards["model"]
    entry = sizes.model(name)
    if "package" in entry:
        return Load(work=1, disk=sizes.weights(name, "float32"))
    size = entry["download_gb"] * GB if "download_gb" in entry else sizes.weights(name)
    return Load(work=size, network_bytes=size, disk=size)


def generate(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """One shard of the generator's outputs; the unit of work is a token written."""
    prompt, shard = wildcards["prompt"], int(wildcards["shard"])
    rows, written = sizes.outputs(prompt, shard), sizes.output_tokens(prompt, shard)
    chosen = sizes.settings["generation"]
    return Load(
        work=written, requests=rows, tokens_in=rows * sizes.generation_prompt(prompt), tokens_out=written,
        model=chosen["model"], variant=chosen["engine"], disk=rows * sizes.assumed["record"],
    )  # fmt: skip


def respond(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A model's responses to the test split or to synthetic samples; the unit of work is a response."""
    base, training_set, inputs = wildcards["base"], wildcards["training_set"], wildcards["inputs"]
    rows = sizes.responses(base, training_set, wildcards["seed"], inputs)
    settings = sizes.settings
    history, answer = sizes.ed_sample() if inputs == TEST else (sizes.synthetic_sample()[0], sizes.ed_sample()[1])
    if training_set == UNTRAINED:
        limit = settings["responding" if inputs == TEST else "discriminator"]["max_tokens"]
        answer = sizes.assumed["zero_shot_share"] * limit
    request = history + sizes.tokens(len(settings["dialogue"]["system"])) + sizes.assumed["chat_template"]
    return Load(
        work=rows, requests=rows, tokens_in=rows * request, tokens_out=rows * answer,
        model=base, variant=settings["responding"]["engine"], disk=rows * sizes.assumed["record"],
    )  # fmt: skip


def train_model(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A fine-tuning, whose work is samples x epochs; full fine-tuning keeps large checkpoints until it ends."""
    base, training_set, seed = wildcards["base"], wildcards["training_set"], wildcards["seed"]
    recipe = sizes.settings["training"]["recipes"][sizes.settings["training"]["bases"][base]]
    samples, synthetic = sizes.training(training_set, seed), sizes.synthetic_part(training_set, seed)
    overhead = sizes.tokens(len(sizes.settings["dialogue"]["system"])) + sizes.assumed["chat_template"]
    tokens = samples * overhead + (samples - synthetic) * sum(sizes.ed_sample())
    if synthetic:
        tokens += synthetic * sum(sizes.synthetic_sample())
    checkpoints = 0.0
    if recipe["method"] == "full":
        checkpoints = sizes.model(base)["parameters"] * 1e9 * sizes.assumed["checkpoint"]
    return Load(
        work=samples * recipe["epochs"], tokens_in=tokens * recipe["epochs"], model=base, variant=recipe["method"],
        training=recipe["method"], disk=sizes.weights(base), scratch=checkpoints,
    )  # fmt: skip


def embed_texts(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a prompt's texts, and the samples' similarities; the unit of work is a text."""
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
    scoring = sizes.settings["scoring"]
    bytes_a_number = {"float16": 2, "float32": 4}[scoring["storage"]]
    return texts * (sizes.assumed["record"] + bytes_a_number * sizes.dimensions(scoring["model"]))


def evaluate(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A system's metrics of shared words; the unit of work is a response."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    return Load(work=rows, rows=rows, variant=wildcards["protocol"], disk=sizes.assumed["record"])


def evaluate_metric(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A system's scores by a metric that a user added; the unit of work is a response."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    variant = f"{wildcards['metric']}, {wildcards['protocol']}"
    return Load(work=rows, rows=rows, variant=variant, disk=sizes.assumed["record"])


def evaluate_bertscore(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """BERTScore's model over predictions and references; the unit of work is a response."""
    rows = sizes.responses(wildcards["base"], wildcards["training_set"], wildcards["seed"], "test")
    model = sizes.settings["evaluation"]["bertscore"]["model"]
    tokens = 2 * rows * sizes.ed_sample()[1]
    disk = rows * sizes.assumed["record"]
    return Load(work=rows, rows=rows, tokens_in=tokens, model=model, variant=wildcards["protocol"], disk=disk)


def select_diverse(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """A diversity selection; if it compares embeddings, its work is rows x chosen rows."""
    selected = selected_of(wildcards)
    rows, chosen = sizes.passed(selected.prompt, selected.quality), sizes.selected(selected, wildcards["seed"])
    load = Load(work=rows, rows=rows, variant=selected.selection, disk=chosen * sizes.assumed["record"])
    compared = diversity.SELECTIONS[selected.selection].compared(rows, chosen)
    if not compared:
        return load
    products = 2 * compared * sizes.dimensions(sizes.settings["scoring"]["model"])
    return replace(load, work=rows * chosen, products=products)


def selected_of(wildcards: dict[str, str]) -> Selected:
    """The selection named by a job's wildcards."""
    return Selected(wildcards["prompt"], Quality.parse(wildcards["quality"]), wildcards["selection"])


def judge(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """Scores by every criterion; the unit of work is a score.

    If the judge samples, a score is two tokens: the score and the end of the turn. Otherwise it writes nothing.
    """
    settings = sizes.settings["judge"]
    samples = sizes.drawn_to_judge(wildcards["prompt"], wildcards["stage"], wildcards["seed"])
    scores = samples * len(settings["criteria"])
    return Load(
        work=scores,
        requests=scores,
        tokens_in=scores * sizes.rubric_prompt(),
        tokens_out=2 * scores if settings["mode"] == "sampling" else 0,
        model=settings["model"],
        variant=f"{settings['engine']}, {settings['mode']}",
        disk=samples * sizes.assumed["record"],
    )


def embed_data(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """The embeddings of a split of the data set; the unit of work is a text."""
    chosen, texts = sizes.settings["scoring"], sizes.data(wildcards["split"])
    tokens = texts * (sum(sizes.ed_sample()) + (sizes.assumed["embedding_prompt"] if chosen["prompt_name"] else 0))
    return Load(
        work=texts, requests=texts, tokens_in=tokens, model=chosen["model"], disk=embeddings_disk(sizes, texts)
    )


def report_novelty(sizes: Sizes, wildcards: dict[str, str]) -> Load:
    """Nearest neighbours among the selected samples and ED's; the unit of work is a pair that is compared."""
    chosen = selected_of(wildcards)
    selected, passed = sizes.selected(chosen, wildcards["seed"]), sizes.passed(chosen.prompt, chosen.quality)
    train, test = sizes.data("train"), sizes.data("test")
    coverages = 2 + sizes.settings["report"]["draws"]
    pairs = selected * (test + train + 2 * selected) + 2 * train * test + coverages * (passed - selected) * selected
    products = 2 * pairs * sizes.dimensions(sizes.settings["scoring"]["model"])
    return Load(work=pairs, rows=selected + train + test, products=products, disk=selected * sizes.assumed["record"])


def reading(rows: Callable[[Sizes, dict[str, str]], float]) -> Callable[[Sizes, dict[str, str]], Load]:
    """The load of a step that only reads and writes ``rows`` records; the unit of work is a record."""

    def load(sizes: Sizes, wildcards: dict[str, str]) -> Load:
        count = rows(sizes, wildcards)
        return Load(work=count, rows=count, disk=count * sizes.assumed["record"])

    return load


def samples_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A prompt's synthetic samples."""
    return sizes.samples(wildcards["prompt"])


def data_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """The data set's samples, all splits."""
    return sum(sizes.data(split) for split in ("train", "valid", "test"))


def outputs_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A prompt's outputs, all shards."""
    return sum(sizes.outputs(wildcards["prompt"], shard) for shard in range(sizes.settings["generation"]["shards"]))


def training_of(sizes: Sizes, wildcards: dict[str, str]) -> float:
    """A training set's samples."""
    return sizes.training(wildcards["training_set"], wildcards["seed"])


#: How each rule's load follows from its wildcards. A rule that is missing here has no model and few rows, or is
#: reported as not estimated.
LOADS: dict[str, Callable[[Sizes, dict[str, str]], Load]] = {
    "fetch_ed": fetch_ed,
    "fetch_model": fetch_model,
    "prepare_data": reading(data_of),
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
    "embed_data": embed_data,
    "report_novelty": report_novelty,
    "evaluate": evaluate,
    "evaluate_metric": evaluate_metric,
    "evaluate_bertscore": evaluate_bertscore,
}

#: The unit of each rule's work, as the plan prints it; rows for other rules.
WORK = {
    "generate": "tokens written",
    "respond": "responses",
    "train_model": "samples x epochs",
    "embed_texts": "texts",
    "judge": "scores",
    "embed_data": "texts",
    "evaluate": "responses",
    "evaluate_metric": "responses",
    "evaluate_bertscore": "responses",
}
