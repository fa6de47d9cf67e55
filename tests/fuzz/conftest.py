"""The table that ends a random run of the fuzzers (make fuzz)."""

from .checks import TALLIES


def pytest_terminal_summary(terminalreporter, config):
    """By reader: examples, the slowest one's seconds, how many were taken and refused."""
    tallies = config.stash.get(TALLIES, {})
    if config.getoption("--fuzz-seed") is None or not tallies:
        return
    width = max(map(len, tallies))
    terminalreporter.section(f"fuzzers, --fuzz-seed {config.getoption('--fuzz-seed')}")
    terminalreporter.line(f"{'reader':<{width}}  examples  slowest s  accepted  refused")
    for name, one in tallies.items():
        terminalreporter.line(
            f"{name:<{width}}  {one.examples:8,}  {one.slowest:9.3f}  {one.accepted:8,}  {one.refused:7,}"
        )
    total = sum(one.examples for one in tallies.values())
    terminalreporter.line(
        f"{len(tallies)} readers, {total:,} examples, the slowest {max(one.slowest for one in tallies.values()):.3f} s"
    )
