"""Reads the worked examples of docs/extending.md, so that tests can follow them to the letter."""

from __future__ import annotations

import os
import re
import subprocess

from conftest import BIN, REPOSITORY, Checkout

#: A code block, with the path before it if it is the text of a file.
PATTERN = r"(?ms)(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$"
BLOCK = re.compile(PATTERN)


class Example:
    """A section of docs/extending.md: files by path, lines for existing Python files, and commands."""

    def __init__(self, heading: str):
        sections = re.split(r"(?m)^## ", (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8"))
        [section] = [text for text in sections if text.startswith(f"{heading}\n")]
        blocks = list(BLOCK.finditer(section))
        assert section.count("```") == 2 * len(blocks)
        self.files = {block["path"]: block["text"] for block in blocks if block["path"]}
        self.lines = [block["text"] for block in blocks if block["language"] == "python" and not block["path"]]
        self.commands = [block["text"] for block in blocks if block["language"] == "sh"]

    def write_files(self, checkout: Checkout) -> None:
        """Write the example's files into a checkout that has none of them."""
        for name, text in self.files.items():
            path = checkout.folder / name
            assert not path.exists(), name
            path.write_text(text, encoding="utf-8")

    def run_commands(self, checkout: Checkout) -> list[subprocess.CompletedProcess]:
        """Run each block of commands as a user would, with the environment active."""
        environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        shell = ["bash", "-euo", "pipefail", "-c"]
        return [checkout.run(*shell, commands, env=environment) for commands in self.commands]
