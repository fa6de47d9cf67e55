"""Render the shell command of every rule with values of our own, for test_quoting.py: python tests/rendering.py ROOT.

A value is a token such as ``tok7p``. The workflow is read twice, once with tokens as they are, which no shell can
misread, and once with each replaced by what a shell would act upon. Beside the working folders ``tame`` and
``hostile`` ROOT gets ``commands.json``: the commands of both, the rules that have one, the interpreters that they
may start, and the wildcards' constraints. The configuration's own check is off: quoting holds whatever a value is.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.io import WILDCARD_REGEX
from snakemake.iocontainers import InputFiles, ResourceList, Wildcards
from snakemake.settings.types import OutputSettings, Quietness, ResourceSettings
from snakemake.utils import format as fill

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from synth_empathy.config import settings  # noqa: E402
from synth_empathy.config.settings_model import Configuration  # noqa: E402
from synth_empathy.data import readers as registry  # noqa: E402
from synth_empathy.data.readers import Keep  # noqa: E402
from synth_empathy.data.readers.empathetic_dialogues import EmpatheticDialogues  # noqa: E402
from synth_empathy.schema.declared import key_names  # noqa: E402

TOKEN = re.compile(r"tok[0-9]+([pt])")
#: What a path or a name may hold as far as a file system is concerned, and more in text: Snakemake's own signs.
MESS = "$(touch PWNED) `touch PWNED`; touch PWNED | touch PWNED & touch PWNED\n\"a\" 'b' * ? [c] # ! \\ $HOME %"
MORE = " > PWNED < PWNED {threads} {x} {{ <results>"
#: Strings that the rules compare with.
KEPT = {"none", "ed", "dataset", "authors-code", "published", "kcenter", "random"}
#: Where a configuration holds text for people.
TEXTS = {"note", "title", "system", "source", "license", "url"}
#: Values on which a rule's functions decide, beside a token.
CASES = {"training_set": ["none", "authors-code"], "inputs": ["test"]}
#: Wildcards that rules take apart: values of their grammar, whose constraints take no token (systems.py).
GRAMMAR = {"quality": ["dk60", "top7-similarity"], "selection": ["kcenter"]}


def hostile(text: str) -> str:
    """The same text with what a shell would act upon in the place of each token."""
    return TOKEN.sub(spell, text)


def spell(found: re.Match) -> str:
    """What stands for a token: it begins as a home folder does, and ends in a backslash."""
    return f"~{found[0]} {MESS}{MORE if found[1] == 't' else ''} {found[0]}\\"


class Tokens:
    """One token for each string, the same whenever it is asked for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def of(self, text: str, kind: str = "p") -> str:
        """A string's token; kind is p for what is a part of paths, t for text."""
        return self.known.setdefault(f"{kind} {text}", f"tok{len(self.known)}{kind}")


def tokenised(value: Any, tokens: Tokens, own: set[str], key: str = "") -> Any:
    """A configuration with a token for each of its strings and each name that a user gives."""
    if isinstance(value, dict):
        made = {}
        for name, part in value.items():
            ours = name in own
            made[name if ours else tokens.of(name)] = tokenised(part, tokens, own, name if ours else key)
        return made
    if isinstance(value, list):
        return [tokenised(part, tokens, own, key) for part in value]
    if not isinstance(value, str) or value in KEPT:
        return value
    return tokens.of(value, "t" if key in TEXTS else "p")


def with_wildcards(config: Any, own: set[str], wildcards: list[str]) -> Any:
    """Whatever name a wildcard has, each catalogue of the configuration has an entry of it."""
    if not isinstance(config, dict):
        return config
    made = {key: with_wildcards(part, own, wildcards) for key, part in config.items()}
    if made and not set(made) & own:
        first = next(iter(made.values()))
        made |= {name: copy.deepcopy(first) for name in wildcards if name not in made}
    return made


def configuration(tokens: Tokens) -> dict[str, Any]:
    """The paper's configuration with everything set that it leaves out, and a token for each string."""
    given = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    given |= {"note": "a note", "archive": "an archive", "claims": {"fail": True}}
    given["datasets"]["ed"] |= {"folder": "a folder", "archive": "ed's archive"}
    given["generation"]["demonstration"] = "a demonstration"
    given["human"]["judgements"] = "judgements"
    given["judge"]["note"] = "a note of the judge"
    given["scorers"] = {"length": {"file": "length.jsonl", "higher_is_better": False}}
    given["published"] = {"kemp": {"title": "KEMP", "file": "kemp.jsonl", "source": "its authors"}}
    for baseline in given["baselines"].values():
        baseline["data"] = "a folder of data"
    given["evaluation"]["bertscore"]["layer"] = 17
    own = key_names(Configuration) | key_names(EmpatheticDialogues)  # as against the names that users give
    names = [tokens.of(f"wildcard {name}") for name in wildcards_named()]
    config = with_wildcards(tokenised(given, tokens, own), own, names)
    config["datasets"]["ed"] = config["datasets"][tokens.of("ed")]
    config["tables"][tokens.of("wildcard table")] = copy.deepcopy(config["tables"]["table4"])
    config["environments"] = {group: f"bin/{tokens.of(f'python of {group}')}" for group in config["environments"]}
    for baseline in config["baselines"].values():
        baseline["environment"] = f"bin/{tokens.of('python of a baseline')}"
    return config


def wildcards_named() -> list[str]:
    """Every name in braces in the rules; among them are all wildcards."""
    text = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))
    return sorted(set(re.findall(r"\{(\w+)\}", text)))


def load(folder: Path, config: dict[str, Any], python: str) -> Any:
    """Read the workflow in a folder with a configuration; ``python`` is taken for this process's interpreter."""
    (folder / config["archive"]).mkdir(parents=True)
    (folder / config["archive"] / "archive.json").write_text('{"format": 1, "run": "x", "files": {}}')
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    os.chdir(folder)
    true, sys.executable = sys.executable, python
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            found = api.workflow(resource_settings=ResourceSettings(cores=1), snakefile=REPOSITORY / "Snakefile")
            return found._workflow
    finally:
        sys.executable = true


def constraints(workflow: Any) -> Iterator[str]:
    """What each wildcard of the workflow may be, as a regular expression; empty where it may be anything."""
    for rule in workflow.rules:
        for pattern in rule.output:
            for found in WILDCARD_REGEX.finditer(str(pattern)):
                yield found["constraint"] or ""


def cases(rule: Any, tokens: Tokens) -> Iterator[dict[str, str]]:
    """A rule's wildcards: tokens, and each value on which functions decide."""
    names = sorted(rule.wildcard_names)
    choices = [GRAMMAR.get(name) or [tokens.of(f"wildcard {name}"), *CASES.get(name, [])] for name in names]
    for chosen in itertools.product(*choices):
        yield dict(zip(names, chosen, strict=True))


def inputs_of(rule: Any, tokens: Tokens, spelling: Any) -> InputFiles:
    """A rule's inputs, each a path of its own; what a function gives is a list of one."""
    paths = [f"in/{tokens.of(f'input {number}')}/file" for number in range(len(rule.input))]
    made = InputFiles(map(spelling, paths))
    for name, (start, end) in rule.input._get_names():
        one = end is None and not callable(rule.input[start])
        made._set_name(name, start, end=None if one else end or start + 1)
    return made


def commands(workflow: Any, tokens: Tokens, spelling: Any) -> Iterator[dict[str, str]]:
    """The shell command of every rule in every case, as a job would run it."""
    for rule in sorted(workflow.rules, key=str):
        for case in cases(rule, tokens) if rule.shellcmd else []:
            wildcards = {name: spelling(value) for name, value in case.items()}
            given = inputs_of(rule, tokens, spelling)
            output, _ = rule.expand_output(wildcards)
            resources = ResourceList(fromdict={name: spelling(tokens.of(name)) for name in rule.resources})
            params, _ = rule.expand_params(wildcards, given, output, SimpleNamespace(resources=resources))
            known = dict(workflow.globals) | {"input": given, "output": output, "log": rule.expand_log(wildcards)}
            known |= {"wildcards": Wildcards(fromdict=wildcards), "params": params, "resources": resources}
            known |= {"threads": spelling(tokens.of("threads"))}
            command = fill(rule.shellcmd, **known)
            yield {"rule": rule.name, "case": str(case), "command": command, "log": "".join(known["log"])}


def main(root: Path) -> None:
    """Render everything in both spellings."""
    settings.check = say_nothing
    registry.reader_of = unchecked_reader
    tokens = Tokens()
    config = configuration(tokens)
    python = f"bin/{tokens.of('the python of Snakemake')}"
    made = {"rules": [], "pythons": [], "tame": [], "hostile": []}
    for name, spelling in (("tame", str), ("hostile", hostile)):
        workflow = load(root / name, respelled(config, spelling), spelling(python))
        made[name] = list(commands(workflow, tokens, spelling))
    made["constraints"] = sorted(set(constraints(workflow)))
    made["rules"] = [rule.name for rule in workflow.rules if rule.shellcmd]
    made["pythons"] = sorted({text for text in texts(config) if text.startswith("bin/")} | {python})
    (root / "commands.json").write_text(json.dumps(made))


def say_nothing(_: Any) -> None:
    """Stands in for the check of the configuration."""


def unchecked_reader(entry: dict[str, Any]) -> EmpatheticDialogues:
    """Stands in for the reader of a checked entry."""
    return EmpatheticDialogues.model_construct(**entry | {"keep": Keep.model_construct(**entry["keep"])})


def respelled(value: Any, spelling: Any) -> Any:
    """A configuration with each of its strings and keys spelled."""
    if isinstance(value, dict):
        return {spelling(key): respelled(part, spelling) for key, part in value.items()}
    if isinstance(value, list):
        return [respelled(part, spelling) for part in value]
    return spelling(value) if isinstance(value, str) else value


def texts(value: Any) -> Iterator[str]:
    """Every string in a configuration but its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
