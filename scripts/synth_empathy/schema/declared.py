"""What the configuration's model declares of a value: kind, range, names, form. Messages and flags are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .setting_types import Form, Section

#: Pydantic's limits of a number, and their words.
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
#: Kinds of values by their names in JSON Schema, which ``wording`` has words for.
KINDS = {int: "integer", float: "number", bool: "boolean", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True)
class Declared:
    """A value's declaration.

    Args:
        kind: int, float, bool, str, list, dict, or a class of ``Section``.
        marks: what stands beside the kind in ``Annotated``: limits, forms, marks of our own.
        inner: of a list its values' type; of a mapping its keys' and its values'.
        names: the names that a value may be, where it is one of a few.
        nullable: whether null is taken, too.
    """

    kind: type
    marks: tuple[Any, ...] = ()
    inner: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    nullable: bool = False

    @classmethod
    def of(cls, annotation: Any, marks: tuple[Any, ...] = (), nullable: bool = False) -> Declared:
        """What an annotation declares."""
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return cls.of(inner[0], (*marks, *flat(inner[1:])), nullable)
        if origin in (Union, UnionType):
            [annotation] = [member for member in inner if member is not NoneType]
            return cls.of(annotation, marks, nullable=True)
        if origin is Literal:
            return cls(str, marks, names=inner, nullable=nullable)
        return cls(origin or annotation, marks, inner, nullable=nullable)

    @classmethod
    def of_field(cls, field: FieldInfo) -> Declared:
        """What a field declares."""
        return cls.of(field.annotation, tuple(field.metadata))

    def at(self, key: str | int) -> Declared:
        """What is declared of the value under a key that the declaration has."""
        if self.is_section:
            return Declared.of_field(self.kind.model_fields[key])
        return Declared.of(self.inner[-1])

    @property
    def is_section(self) -> bool:
        """Whether the value is a mapping that lists its keys."""
        return issubclass(self.kind, Section)

    @property
    def keys(self) -> list[str]:
        """The keys of a section."""
        return list(self.kind.model_fields)

    @property
    def key(self) -> Declared:
        """What is declared of a mapping's keys."""
        return Declared.of(self.inner[0])

    @property
    def limits(self) -> dict[str, float]:
        """A number's range, as ``wording.span`` takes it."""
        found = {}
        for name, words in LIMITS.items():
            for mark in self.marks:
                if getattr(mark, name, None) is not None:
                    found[words] = getattr(mark, name)
        return found

    @property
    def form(self) -> Form | None:
        """A text's form; None where it has none."""
        return next((mark for mark in self.marks if isinstance(mark, Form)), None)

    @property
    def kinds(self) -> list[str]:
        """The kinds that are taken, by their names in JSON Schema."""
        kind = "object" if self.is_section else KINDS[self.kind]
        return [kind, "null"] if self.nullable else [kind]


def flat(marks: tuple[Any, ...]) -> Iterator[Any]:
    """Marks one by one; a field's are inside it."""
    for mark in marks:
        if isinstance(mark, FieldInfo):
            yield from mark.metadata
        else:
            yield mark


def key_names(section: type[Section]) -> set[str]:
    """Every key that a section and the sections below it have, without the names that users give."""
    names = set(section.model_fields)
    for field in section.model_fields.values():
        declared = Declared.of_field(field)
        while declared.inner:
            declared = Declared.of(declared.inner[-1])
        if declared.is_section:
            names |= key_names(declared.kind)
    return names
