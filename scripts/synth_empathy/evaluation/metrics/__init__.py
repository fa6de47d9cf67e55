"""Automatic metrics of responses, by the paper's protocol or by the one that is usual today; all scores are times 100.

    base        what a metric is: its names, its scores, its signature, and how a bootstrap draws it
    registry    every metric; adding one is adding a file here (docs/extending.md)
    bleu, distinct, rouge, cider, bertscore    the paper's metrics
    texts       the forms of a text that metrics take
    scoring     responses -> the document that scripts/evaluate.py writes

The paper names its metrics but does not say how it computes them. The **paper protocol** is what the group's sister
project (Efficient-Empathy) does: lower-cased NLTK tokens for everything. CIDEr and BERTScore are in neither code:
their form here is inferred from the paper's scale. The **standard protocol** is each library's default, whose signature lets
others compare.
"""
