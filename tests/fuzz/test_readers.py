"""Every reader over damaged files: a sentence or a result, soon, and no row lost (fuzz/checks.py)."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from .checks import TALLIES, Arena, Tally, check, warm_up
from .readers import READERS


@pytest.fixture(scope="module")
def arena():
    """A folder in memory where there is one."""
    memory = Path("/dev/shm")
    root = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    yield Arena(root)
    shutil.rmtree(root, ignore_errors=True)


def test_every_reader_has_a_name_of_its_own():
    names = [reader.name for reader in READERS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("reader", READERS, ids=[reader.name for reader in READERS])
def test_a_valid_input_is_taken(reader, arena):
    """The examples are damaged copies of it: if it were refused, they would only reach the first check."""
    tally = Tally()
    warm_up(reader.read, reader.valid(), arena, reader.scripted)
    check(reader.read, reader.valid(), arena, tally, scripted=reader.scripted)
    assert tally.accepted == 1


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("reader", READERS, ids=[reader.name for reader in READERS])
def test_damaged_inputs(reader, arena, request):
    start = request.config.getoption("--fuzz-seed")
    warm_up(reader.read, reader.valid(), arena, reader.scripted)
    tally = request.config.stash.setdefault(TALLIES, {}).setdefault(reader.name, Tally())

    @seed(f"{start or 0} {reader.name}")  # each reader has its own examples
    @settings(
        max_examples=request.config.getoption("--fuzz-examples"),
        deadline=None,
        derandomize=False,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(reader.cases())
    def ends_with_a_result_or_an_error(case):
        if tally.endless in (None, case):  # one such input is enough: shrinking it would take minutes
            check(reader.read, case, arena, tally, scripted=reader.scripted)

    ends_with_a_result_or_an_error()
