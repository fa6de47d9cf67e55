"""The documentation: links lead to a page and a heading, and the commands on human evaluation work as written."""

import os
import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import BIN, REPOSITORY

FOLDERS = ("config", "containers", "envs", "results")
#: A path in a folder of the repository, without its extension.
FILES = r"(?:rules|scripts|tests|benchmarks|resources|containers|envs|slurm|config)/[\w/.-]+"
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
PAGES += [REPOSITORY / folder / "README.md" for folder in FOLDERS]


def without_code(page: Path) -> str:
    """A page's text without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", without_code(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_links_lead_to_a_file_and_a_heading(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)) if not link.startswith("https://")]
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}, which is not a heading"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_files_of_the_repository_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    added = set(re.findall(r"(?m)^`([^`]+)`:\n\n```", text))  # by a worked example
    named = set(re.findall(rf"(?<![\w/.]){FILES}\.(?:py|smk|yaml|yml|csv|cff|lock|in|sh)(?!\w)", text))
    assert {name for name in named - added if not (REPOSITORY / name).is_file()} == set()


def test_the_index_lists_every_page(repository):
    index = (repository / "docs/README.md").read_text(encoding="utf-8")
    names = {path.name for path in (repository / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in names if f"]({name})" not in index} == set()
    assert all(f"](../{folder}/README.md)" in index for folder in FOLDERS if folder != "results")


def test_the_commands_of_the_page_on_human_evaluation_work_on_the_shipped_judgements(checkout, repository):
    page = (repository / "docs/human-evaluation.md").read_text(encoding="utf-8")
    section = page.partition("## Try it\n")[2].partition("\n## ")[0]
    commands = re.sub(r"(?m)^    ", "", "\n".join(re.findall(r"(?m)^    .+$", section)))
    assert commands.startswith("snakemake ") and "\npython scripts/make_figure7.py " in commands
    path = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = checkout.run("bash", "-euo", "pipefail", "-c", commands, env=path)
    assert done.returncode == 0, done.stdout + done.stderr
    by_rule, by_hand = (checkout.folder / name for name in ("results/demo/figures/figure7.csv", "figure7.csv"))
    counts = ["baseline", "criterion", "win", "tie", "loss"]
    assert pd.read_csv(by_rule)[counts].equals(pd.read_csv(by_hand)[counts])
