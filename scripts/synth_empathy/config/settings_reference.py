"""docs/configuration.md, made of the configuration's model: every key, what it may hold and what it means."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.cli import LARGEST_SEED, MOST
from ..core.escaping import markdown_code, markdown_row
from ..data.readers import READERS, reader_class
from ..schema import wording
from ..schema.declared import Declared
from ..schema.setting_types import Section
from .settings_model import Configuration, DataSet

HEAD = """# What config.yaml and its overlays may hold

`config.yaml` holds the paper's own values, and says where each comes from. `scripts/describe_settings.py` writes this
page from the model that checks them (`settings_model.py` in `scripts/synth_empathy/config/`, `recipes.py` in
`training/`, the readers in `data/readers/`). Every key must be there unless it may be left out. An overlay names only
what differs. Any other key is refused.

- **A name** consists of lower-case letters, digits, `.`, `_` and `-`, and begins with a letter or a digit.
- **Text** has at least one character and no control characters; a title has no dash in front.
- **A path** has no control characters, line ends, braces or angle brackets, and no dash in front.
- **A whole number** has no decimals: 2.0 is none. Numbers are finite.
"""
#: Limits that are there for libraries' sake, and that nobody meets.
HUGE = (MOST, LARGEST_SEED)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for place, section in sections(Configuration, ()):
        rows = [markdown_row(["key", "may hold", "meaning"]), "|---|---|---|"]
        rows += [row(key, section) for key in section.model_fields]
        parts.append(f"## {': '.join(place) or 'Top level'}\n\n{section.__doc__}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def sections(section: type[Section], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """A section and those below it, each with its place; ``{name}`` stands for names that users give."""
    yield place, section
    for key, field in section.model_fields.items():
        declared, below = Declared.of_field(field), (*place, key)
        while declared.inner:
            below = (*below, "{name}") if declared.kind is dict else below
            declared = Declared.of(declared.inner[-1])
        if declared.is_section:
            yield from sections(declared.kind, below)
        if declared.kind is DataSet:
            for reader in READERS:
                yield from sections(reader_class(reader), (*below[:-1], f"{below[-1]} of the reader {reader}"))


def row(key: str, section: type[Section]) -> str:
    """A key's line of its section's table."""
    field = section.model_fields[key]
    left_out = "" if field.is_required() else "; may be left out"
    return markdown_row([markdown_code(key), may_hold(Declared.of_field(field)) + left_out, field.description])


def may_hold(declared: Declared) -> str:
    """What a value may be, in words."""
    return f"{held(declared)} or null" if declared.nullable else held(declared)


def held(declared: Declared) -> str:
    """What a value may be, null apart."""
    if declared.names:
        return ", ".join(map(markdown_code, declared.names))
    if declared.is_section:
        return "a section"
    if declared.kind is list:
        return f"a list of one or more, each of them once: {may_hold(Declared.of(declared.inner[0]))}"
    if declared.kind is dict:
        return f"names, each with {may_hold(Declared.of(declared.inner[1]))}"
    if declared.form:
        return declared.form.short or declared.form.words or f"text of the form {markdown_code(declared.form.pattern)}"
    limits = {words: limit for words, limit in declared.limits.items() if limit not in HUGE}
    return f"{wording.KINDS[declared.kinds[0]]} {wording.span(limits)}".strip()
