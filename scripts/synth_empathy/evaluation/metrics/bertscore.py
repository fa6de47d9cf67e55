"""BERTScore by bert-score, from a local model folder.

Only the paper's form (roberta-large, layer 17, rescaled with bert-score's English baseline) is reported under the
paper's names; any other model is reported under its own. bert-score computes embeddings and matches them. The model
and the tokenizer are loaded here, and rows are batched here, to avoid four faults of bert-score with transformers 5:

- RoBERTa's first word loses the blank before it (``add_prefix_space`` is ignored), so the scores are not those of the
  published bert-score;
- an empty text crashes it (``build_inputs_with_special_tokens`` is gone);
- any path that contains "t5" is taken for a T5 model;
- its batches follow the order of a set of strings, so the last digits change from run to run.
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
from ...core.json_files import read_json
from ...core.records import Record
from . import Corpus, SampleMetric, mean

#: The paper's form: repository (as the fetched model's manifest.json names it) and layer.
REPOSITORY = "FacebookAI/roberta-large"
LAYER = 17
BATCH = 64
#: Precision, recall and F1.
Scores = tuple[float, float, float]
#: Positions of every BERT-like model; a tokenizer without a limit of its own reports 1e30.
LONGEST = 512

USE_MODEL = (
    "give --bertscore-model the folder of a BERT-like model as save_pretrained writes it"
    " (config.json, tokenizer, weights), or use --no-bertscore"
)


@dataclass(frozen=True)
class Model:
    """The model that computes BERTScore; its cheap checks are done before anything is scored.

    Attributes:
        source: repository@revision, as far as the manifest names them.
        layer: whose output is compared.
        baseline: precision, recall and F1 to rescale with; None for no rescaling.
        own_baseline: whether the user gave the baseline, in place of bert-score's.
        is_papers: whether this is the paper's form of BERTScore.
    """

    folder: Path
    name: str
    source: str
    layer: int
    baseline: Scores | None
    own_baseline: bool
    is_papers: bool


def choose(folder: Path, layer: int | None, baseline: Path | None) -> Model:
    """The model of a folder, with its layer and baseline.

    Args:
        layer: whose output is compared; 0 is the word embeddings. None means 17, and is for roberta-large only.
        baseline: a file in bert-score's format (columns LAYER, P, R, F) to rescale with. None rescales roberta-large
            with bert-score's baseline, and no other model.

    Raises:
        UserError: the folder holds no model, the layer is unknown or not in the model, or the manifest or baseline is
            faulty.
    """
    if not (folder / "config.json").is_file():
        fault = "is not a model folder: it has no config.json" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {fault}", USE_MODEL)
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
    source = "@".join(str(manifest[key]) for key in ("repository", "revision") if key in manifest)
    table = baseline or (package_baseline() if roberta else None)
    return Model(
        folder=folder,
        name="roberta-large" if roberta else str(manifest.get("name", folder.absolute().name)),
        source=source or "from a local folder",
        layer=layer,
        baseline=read_baseline(table, layer) if table else None,
        own_baseline=baseline is not None,
        is_papers=roberta and layer == LAYER and baseline is None,
    )


def read_object(path: Path) -> Record:
    """Read a JSON object of the model folder."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object", USE_MODEL)
    return value


def package_baseline() -> Path:
    """roberta-large's English baseline, which is part of bert-score; located without importing the package."""
    return Path(find_spec("bert_score").origin).parent / "rescale_baseline" / "en" / "roberta-large.tsv"


def read_baseline(path: Path, layer: int) -> Scores:
    """Precision, recall and F1 of unrelated sentences at a layer, each below 1.

    Raises:
        UserError: the file is missing, lacks the layer or has a bad number.
    """
    hint = "give a table with the columns LAYER,P,R,F, one line per layer, as in bert-score's rescale_baseline folder"
    lines = read_csv(path, columns=("P", "R", "F"), unique=("LAYER",), hint=hint)
    by_layer = {line.number_of(line["LAYER"], "LAYER"): numbers_of(line) for line in lines}
    if layer not in by_layer or not all(-1 <= number < 1 for number in by_layer[layer]):
        raise UserError(f"the baseline {path} has no numbers below 1 for layer {layer}", hint)
    return by_layer[layer]


def numbers_of(line: Line) -> Scores:
    """A baseline's precision, recall and F1 at one layer."""
    precision, recall, f1 = (line.number_of(line[part], part) for part in ("P", "R", "F"))
    return precision, recall, f1


class Tokenizer:
    """The tokenizer that bert-score needs and transformers 5 no longer provides (see the module's text)."""

    def __init__(self, folder: Path):
        from transformers import AutoTokenizer, GPT2Tokenizer, RobertaTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self._prefix = " " if isinstance(self._tokenizer, (GPT2Tokenizer, RobertaTokenizer)) else ""
        self.model_max_length = min(self._tokenizer.model_max_length, LONGEST)
        self.pad_token_id = self._tokenizer.pad_token_id
        self.sep_token_id = self._tokenizer.sep_token_id
        self.cls_token_id = self._tokenizer.cls_token_id

    def encode(self, text: str, **options: Any) -> list[int]:
        """Token numbers of a text that is not empty; RoBERTa's first word has a blank before it, like the others."""
        return self._tokenizer.encode(self._prefix + text, **options)

    def build_inputs_with_special_tokens(self, tokens: list[int]) -> list[int]:
        """Token numbers of the empty text, the only one for which bert-score calls this."""
        return self._tokenizer.encode("")


def load(model: Model) -> tuple[Any, Tokenizer]:
    """The network up to the model's layer, on the GPU if there is one, and its tokenizer.

    Raises:
        UserError: the files are damaged or incomplete, or the architecture is not BERT's.
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

    An empty text scores 0 before rescaling, as in bert-score (roberta-large: about -490 after). bert-score warns about
    it on the error stream.

    Raises:
        UserError: as of ``load``.
    """
    import torch
    from bert_score.utils import get_bert_embedding, greedy_cos_idf

    network, tokenizer = load(model)
    weights = defaultdict(lambda: 1.0, {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0})

    def embed(texts: list[str]) -> tuple[Any, Any, Any]:
        return get_bert_embedding(texts, network, tokenizer, weights, device=network.device)

    baseline = model.baseline or (0.0, 0.0, 0.0)
    scores: dict[int, Scores] = {}
    # Texts of similar length share a batch, which keeps padding short.
    order = sorted(range(len(predictions)), key=lambda row: (len(predictions[row]), len(references[row])))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    for batch in cli.progress(batches, len(batches), f"BERTScore, batches of {BATCH}"):
        reference_embeddings = embed([references[row] for row in batch])
        prediction_embeddings = embed([predictions[row] for row in batch])
        matched = greedy_cos_idf(*reference_embeddings, *prediction_embeddings)
        for row, values in zip(batch, torch.stack(matched, dim=1).tolist()):
            precision, recall, f1 = (100 * (value - low) / (1 - low) for value, low in zip(values, baseline))
            scores[row] = precision, recall, f1
    return [scores[row] for row in range(len(predictions))]


class BERTScore(SampleMetric):
    """Precision, recall and F1; the means over the samples.

    Args:
        model: the model that computes it; None if only the names of its scores are needed.
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
            UserError: as of ``load``.
        """
        precision, recall, f1 = map(list, zip(*rows(self.model, corpus.predictions, corpus.references)))
        return {"p": precision, "r": recall, "f1": f1}

    def summary(self, rows: dict[str, list[float]]) -> Record:
        """The means; under the paper's keys only if this is the paper's form of BERTScore."""
        means = {part: mean(values) for part, values in rows.items()}
        if self.model.is_papers:
            return {f"bert_{part}": value for part, value in means.items()}
        about = {"model": self.model.name, "layer": self.model.layer, "rescaled": self.model.baseline is not None}
        return {"bertscore_other": about | means}

    def signature(self, protocol: str) -> str:
        """bert-score's hash, with the model's name in place of its path on this machine; its source; the form of the
        texts."""
        from bert_score.utils import get_hash

        model = self.model
        own = get_hash(
            model.name, model.layer, idf=False, rescale_with_baseline=model.baseline is not None,
            use_custom_baseline=model.own_baseline, use_fast_tokenizer=False,
        )  # fmt: skip
        form = "the tokens joined by blanks" if protocol == "paper" else "the texts as they stand"
        return f"{own}; bert-score {version('bert-score')}, model {model.source}; of {form}"

    def add_flags(self, flags: argparse.ArgumentParser) -> None:
        """Add the flags that choose the model."""
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
            UserError: they name no model, or as of ``choose``.
        """
        if args.bertscore_model is None:
            raise UserError("BERTScore has no model", USE_MODEL)
        return BERTScore(choose(args.bertscore_model, args.bertscore_layer, args.bertscore_baseline))


METRIC = BERTScore()
