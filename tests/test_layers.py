"""The library's packages are layers: each imports only from those below it (.importlinter)."""

import os

from conftest import BIN


def linted(folder, run):
    """import-linter's result for a checkout."""
    return run(BIN / "lint-imports", "--no-cache", env=os.environ | {"PYTHONPATH": str(folder / "scripts")})


def test_the_layers_hold_and_an_import_upwards_is_found(checkout):
    done = linted(checkout.folder, checkout.run)
    assert done.returncode == 0 and "Contracts: 2 kept, 0 broken." in done.stdout, done.stdout
    seeds = checkout.folder / "scripts/synth_empathy/core/seeds.py"
    seeds.write_text(seeds.read_text() + "\nfrom ..reporting import tables\n")
    done = linted(checkout.folder, checkout.run)
    assert done.returncode == 1
    assert "synth_empathy.core.seeds -> synth_empathy.reporting.tables" in done.stdout, done.stdout
