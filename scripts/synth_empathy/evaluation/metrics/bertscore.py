"""BERTScore by bert-score, from a local model folder.

Only the paper's form (roberta-large, layer 17, rescaled with bert-score's English baseline) goes under the paper's
names; any other model is reported under its own. bert-score's embedding and matching are used as they are; model and
tokenizer are loaded and rows put in batches here, because of what bert-score does with transformers 5 and by itself:

- RoBERTa's first word loses the blank before it (an ignored ``add_prefix_space``), so that scores are not those of
  the published bert-score;
- an empty text crashes it (``build_inputs_with_special_tokens`` is gone);
- any path that has "t5" in it is taken for a T5 model;
- its batches follow the order of a set of strings, so that the last digits change from run to run.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...core import cli
from ...core.csv_files import Line, read_csv
from ...core.errors import UserError
from ...core.records import Record, read_json
from .base import Corpus, SampleMetric, mean

#: The paper's form: repository (as the fetched model's manifest.json names it) and layer.
REPOSITORY = "FacebookAI/roberta-large"
LAYER = 17
BATCH = 64
#: Precision, recall and F1.
Scores = tuple[float, float, float]
LONGEST = 512  # positions of every BERT-like model; a tokenizer without a limit of its own says 1e30

USE_MODEL = "give --bertscore-model the folder of a BERT-like model as save_pretrained writes it (config.json, tokenizer, weights), or use --no-bertscore"


@dataclass(frozen=True)
class Model:
    """What computes BERTScore, checked as far as is cheap before anything is scored."""

    folder: Path
    name: str
    source: str  # repository@revision, as far as the manifest names them
    layer: int
    baseline: tuple[float, float, float] | None  # P, R, F to rescale with
    own_baseline: bool  # a baseline that the user gave, not bert-score's
    papers: bool  # in the paper's form


def choose(folder: Path, layer: int | None, baseline: Path | None) -> Model:
    """Settle model, layer and baseline from a model folder and the flags beside it.

    Args:
        layer: whose output is compared, 0 being the word embeddings; ``None`` only for roberta-large, where it is 17.
        baseline: a file in bert-score's format (columns LAYER, P, R, F) to rescale with; ``None`` rescales
            roberta-large with bert-score's own and no other model.

    Raises:
        UserError: no model folder, no layer, a layer that the model lacks, a bad manifest or baseline.
    """
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} is not a model folder: it has no config.json"
            if folder.exists()
            else f"{folder} does not exist",
            USE_MODEL,
        )
    manifest = read_object(folder / "manifest.json") if (folder / "manifest.json").is_file() else {}
    roberta = manifest.get("repository") == REPOSITORY
    if layer is None and not roberta:
        raise UserError(
            f"no layer is known for the model in {folder}",
            "give --bertscore-layer; only roberta-large, known by its manifest.json, has one here",
        )
    layer = LAYER if layer is None else layer
    layers = read_object(folder / "config.json").get("num_hidden_layers")
    if not isinstance(layers, int) or not 0 <= layer <= layers:
        raise UserError(
            f"the model in {folder} has no layer {layer} (its config.json says num_hidden_layers {layers})",
            "give a --bertscore-layer that it has",
        )
    source = (
        "@".join(str(manifest[key]) for key in ("repository", "revision") if key in manifest) or "from a local folder"
    )
    name = "roberta-large" if roberta else str(manifest.get("name", folder.absolute().name))
    table = baseline or (package_baseline() if roberta else None)
    numbers = read_baseline(table, layer) if table else None
    return Model(
        folder, name, source, layer, numbers, baseline is not None, roberta and layer == LAYER and baseline is None
    )


def read_object(path: Path) -> Record:
    """Read a JSON object of the model folder."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object", USE_MODEL)
    return value


def package_baseline() -> Path:
    """roberta-large's English baseline, which ships inside bert-score; found without importing the package."""
    return Path(find_spec("bert_score").origin).parent / "rescale_baseline" / "en" / "roberta-large.tsv"


def read_baseline(path: Path, layer: int) -> tuple[float, float, float]:
    """Precision, recall and F1 that unrelated sentences have at a layer, each below 1.

    Raises:
        UserError: no such file, no such layer in it, or a bad number.
    """
    hint = "give a table with the columns LAYER,P,R,F, one line per layer, as in bert-score's rescale_baseline folder"
    lines = read_csv(path, columns=("P", "R", "F"), unique=("LAYER",), hint=hint)
    rows = {line.number_of(line["LAYER"], "LAYER"): numbers_of(line) for line in lines}
    if layer not in rows or not all(-1 <= number < 1 for number in rows[layer]):
        raise UserError(f"the baseline {path} has no numbers below 1 for layer {layer}", hint)
    return rows[layer]


def numbers_of(line: Line) -> Scores:
    """A baseline's precision, recall and F1 at one layer."""
    precision, recall, f1 = (line.number_of(line[part], part) for part in ("P", "R", "F"))
    return precision, recall, f1


class Tokenizer:
    """What bert-score asks of a tokenizer and transformers 5 does not give any more (see the module's text)."""

    def __init__(self, folder: Path):
        from transformers import AutoTokenizer, GPT2Tokenizer, RobertaTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self._prefix = " " if isinstance(self._tokenizer, (GPT2Tokenizer, RobertaTokenizer)) else ""
        self.model_max_length = min(self._tokenizer.model_max_length, LONGEST)
        self.pad_token_id = self._tokenizer.pad_token_id
        self.sep_token_id = self._tokenizer.sep_token_id
        self.cls_token_id = self._tokenizer.cls_token_id

    def encode(self, text: str, **options: Any) -> list[int]:
        """Token numbers of a text that is not empty; RoBERTa's first word with a blank before it, like the others."""
        return self._tokenizer.encode(self._prefix + text, **options)

    def build_inputs_with_special_tokens(self, tokens: list[int]) -> list[int]:
        """Token numbers of the empty text, for which alone bert-score calls this."""
        return self._tokenizer.encode("")


def load(model: Model) -> tuple[Any, Tokenizer]:
    """The network up to the model's layer, on the accelerator if there is one, and its tokenizer.

    Raises:
        UserError: the files are damaged or incomplete, or the model is not built like BERT.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        tokenizer = Tokenizer(model.folder)
        network = AutoModel.from_pretrained(str(model.folder), dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"the model in {model.folder} cannot be loaded: {error}", USE_MODEL) from None
    blocks = getattr(getattr(network, "encoder", None), "layer", None)
    if blocks is None:
        raise UserError(f"the model in {model.folder} ({type(network).__name__}) is not built like BERT", USE_MODEL)
    network.encoder.layer = blocks[: model.layer]
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


def rows(model: Model, predictions: list[str], references: list[str]) -> list[Scores]:
    """Precision, recall and F1 of each row, times 100, rescaled when the model has a baseline.

    An empty text scores 0 before rescaling, as bert-score has it (roberta-large: about -490 after); it says so on
    the error stream.

    Raises:
        UserError: as ``load``.
    """
    import torch
    from bert_score.utils import get_bert_embedding, greedy_cos_idf

    network, tokenizer = load(model)
    weights = defaultdict(lambda: 1.0, {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0})

    def embed(texts: list[str]) -> tuple[Any, Any, Any]:
        return get_bert_embedding(texts, network, tokenizer, weights, device=network.device)

    baseline = model.baseline or (0.0, 0.0, 0.0)
    found: dict[int, Scores] = {}
    # Texts of like length together, so that little of a batch is padding.
    order = sorted(range(len(predictions)), key=lambda row: (len(predictions[row]), len(references[row])))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    for batch in cli.progress(batches, len(batches), f"BERTScore, batches of {BATCH}"):
        matched = greedy_cos_idf(
            *embed([references[row] for row in batch]), *embed([predictions[row] for row in batch])
        )
        for row, values in zip(batch, torch.stack(matched, dim=1).tolist()):
            precision, recall, f1 = (100 * (value - low) / (1 - low) for value, low in zip(values, baseline))
            found[row] = precision, recall, f1
    return [found[row] for row in range(len(predictions))]


class BERTScore(SampleMetric):
    """Precision, recall and F1; the means over the samples.

    Args:
        model: what computes it; None only where its names alone are asked for.
    """

    name = "bertscore"
    title = "BERTScore"
    headings = {"bert_p": "BERT-P", "bert_r": "BERT-R", "bert_f1": "BERT-F1"}
    needs_model = True

    def __init__(self, model: Model | None = None):
        self.model = model

    def sample_scores(self, corpus: Corpus) -> dict[str, list[float]]:
        """Every sample's precision, recall and F1, under p, r and f1.

        Raises:
            UserError: as ``load``.
        """
        precision, recall, f1 = map(list, zip(*rows(self.model, corpus.predictions, corpus.references)))
        return {"p": precision, "r": recall, "f1": f1}

    def summary(self, rows: dict[str, list[float]]) -> Record:
        """The means under their keys: the paper's only for the paper's form of BERTScore."""
        means = {part: mean(values) for part, values in rows.items()}
        if self.model.papers:
            return {f"bert_{part}": value for part, value in means.items()}
        about = {"model": self.model.name, "layer": self.model.layer, "rescaled": self.model.baseline is not None}
        return {"bertscore_other": about | means}

    def signature(self, protocol: str) -> str:
        """bert-score's own hash, with the model's name rather than its path on this machine, its source, and the form
        of the texts."""
        from bert_score.utils import get_hash

        model = self.model
        own = get_hash(
            model.name, model.layer, idf=False, rescale_with_baseline=model.baseline is not None,
            use_custom_baseline=model.own_baseline, use_fast_tokenizer=False,
        )  # fmt: skip
        seen = "the tokens joined by blanks" if protocol == "paper" else "the texts as they stand"
        return f"{own}; bert-score {version('bert-score')}, model {model.source}; of {seen}"

    def add_flags(self, flags: argparse.ArgumentParser) -> None:
        """Add the flags that settle the model."""
        flags.add_argument(
            "--bertscore-model", type=Path, metavar="DIR",
            help="local folder of BERTScore's model; only roberta-large is reported as bert_*",
        )  # fmt: skip
        flags.add_argument(
            "--bertscore-layer", type=cli.count, metavar="N",
            help="the layer to compare; 17 for roberta-large when not given",
        )  # fmt: skip
        flags.add_argument(
            "--bertscore-baseline", type=Path, metavar="FILE",
            help="rescale with this table (LAYER,P,R,F); roberta-large has bert-score's own",
        )  # fmt: skip

    def from_flags(self, args: argparse.Namespace) -> BERTScore:
        """BERTScore by the model that the flags name.

        Raises:
            UserError: they name none, or as ``choose``.
        """
        if args.bertscore_model is None:
            raise UserError("BERTScore has no model", USE_MODEL)
        return BERTScore(choose(args.bertscore_model, args.bertscore_layer, args.bertscore_baseline))


METRIC = BERTScore()
