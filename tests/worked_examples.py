"""The worked examples of docs/extending.md, for tests that follow them to the letter."""

from __future__ import annotations

import os
import re
import subprocess

from conftest import BIN, REPOSITORY, Checkout

#: A code block, with the path before it if the block is a file's text.
BLOCK = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", flags=re.MULTILINE | re.DOTALL
)


class Example:
    """A section of docs/extending.md: files by their paths, lines for existing Python files, and commands."""

    def __init__(self, heading: str, page: str = "docs/extending.md"):
        sections = re.split(r"(?m)^## ", (REPOSITORY / page).read_text(encoding="utf-8"))
        [section] = [text for text in sections if text.startswith(f"{heading}\n")]
        blocks = list(BLOCK.finditer(section))
        assert section.count("```") == 2 * len(blocks)
        self.files = {block["path"]: block["text"] for block in blocks if block["path"]}
        self.lines = [block["text"] for block in blocks if block["language"] == "python" and not block["path"]]
        self.commands = [block["text"] for block in blocks if block["language"] == "sh"]

    def write_files(self, checkout: Checkout) -> None:
        """Add the example's files to a checkout that has none of them."""
        for name, text in self.files.items():
            path = checkout.folder / name
            assert not path.exists(), name
            path.write_text(text, encoding="utf-8")

    def run_commands(self, checkout: Checkout) -> list[subprocess.CompletedProcess]:
        """Run each block of commands as a user would, with the environment active."""
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return [
            checkout.run("bash", "-euo", "pipefail", "-c", text, env=os.environ | {"PATH": path})
            for text in self.commands
        ]
