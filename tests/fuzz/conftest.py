"""The table that ends a random run of the fuzzers (make fuzz)."""

from .checks import TALLIES


def pytest_terminal_summary(terminalreporter, config):
    """Print for each reader its examples, the seconds of the slowest, and how many were accepted and refused."""
    tallies = config.stash.get(TALLIES, {})
    if config.getoption("--fuzz-seed") is None or not tallies:
        return
    width = max(map(len, tallies))
    terminalreporter.section(f"fuzzers, --fuzz-seed {config.getoption('--fuzz-seed')}")
    terminalreporter.line(f"{'reader':<{width}}  examples  slowest s  accepted  refused")
    for name, one in tallies.items():
        counts = f"{one.examples:8,}  {one.slowest:9.3f}  {one.accepted:8,}  {one.refused:7,}"
        terminalreporter.line(f"{name:<{width}}  {counts}")
    total = sum(one.examples for one in tallies.values())
    slowest = max(one.slowest for one in tallies.values())
    terminalreporter.line(f"{len(tallies)} readers, {total:,} examples, the slowest {slowest:.3f} s")
