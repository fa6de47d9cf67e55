#!/usr/bin/env python3
"""Score each generated response by its similarity to the discriminator's, cosine x 100 (paper, section 3.2)."""

from pathlib import Path

import numpy as np

from synth_empathy.core import cli, provenance
from synth_empathy.core.errors import UserError
from synth_empathy.core.records import REMAKE, RESPONSE, read_jsonl, write_jsonl
from synth_empathy.selection import embedding, quality


def main() -> None:
    """Parse flags, look both texts' vectors up, write the similarities."""
    flags = cli.parser(__doc__)
    flags.add_argument(
        "--responses",
        type=Path,
        required=True,
        metavar="JSONL",
        help="the discriminator's answers: id, prediction, reference",
    )
    flags.add_argument("--texts", type=Path, required=True, metavar="JSONL", help="row, text")
    flags.add_argument("--embeddings", type=Path, required=True, metavar="NPY", help="the texts' embeddings")
    flags.add_argument("--output", type=Path, required=True, metavar="JSONL", help="id, similarity")
    args = flags.parse_args()

    responses = read_jsonl(args.responses, RESPONSE)
    if not responses:
        raise UserError(f"{args.responses} holds no response, so that there is nothing to score", REMAKE)
    texts = embedding.read_texts(args.texts)
    matrix = embedding.load_embeddings(args.embeddings, rows=len(texts))
    row_of = embedding.row_of(texts)
    predictions = embedding.rows_for(row_of, [r["prediction"] for r in responses])
    references = embedding.rows_for(row_of, [r["reference"] for r in responses])
    scores = quality.similarities(matrix, predictions, references)
    rows = ({"id": r["id"], "similarity": float(score)} for r, score in zip(responses, scores))
    write_jsonl(args.output, rows, code=provenance.code(__file__))
    quartiles = ", ".join(f"{value:.1f}" for value in np.percentile(scores, [0, 25, 50, 75, 100]))
    print(f"{len(scores):,} similarities; least, quartiles and greatest: {quartiles}")


if __name__ == "__main__":
    cli.run(main)
