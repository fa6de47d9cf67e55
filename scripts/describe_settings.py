#!/usr/bin/env python3
"""Write docs/configuration.md: what each key of config.yaml may hold, by the model that checks it."""

from pathlib import Path

from synth_empathy.config import settings_reference
from synth_empathy.core import cli
from synth_empathy.core.files import write_text


def main() -> None:
    """Parse flags, write the page."""
    flags = cli.parser(__doc__)
    flags.add_argument("--output", type=Path, default=Path("docs/configuration.md"), metavar="MD", help="the page")
    args = flags.parse_args()
    write_text(args.output, settings_reference.page())


if __name__ == "__main__":
    cli.run(main)
