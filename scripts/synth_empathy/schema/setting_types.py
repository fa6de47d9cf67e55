"""The kinds of values that the configuration is made of. ``settings_model`` puts them together.

Numbers are strict: 2.0 is no whole number, and true is no number. Patterns match a text from end to end. They refuse
what no value needs and what would mean something to who reads it: control characters to a terminal, a dash in front to
a command line, braces and angle brackets in a path to Snakemake. ``ImageFolder`` alone reaches a shell unquoted, by
Snakemake's own call of Apptainer.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from ..core.cli import LARGEST_SEED, MOST


class Section(BaseModel):
    """A mapping of the configuration that lists all its keys: another key is a fault."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


def may_be_left_out(description: str, **limits: Any) -> Any:
    """A key that a section may lack; null does not stand for that."""
    return Field(default=None, description=description, **limits)


@dataclass(frozen=True)
class Form:
    """What a text looks like.

    Args:
        pattern: matches the whole of it.
        words: what a message says of a text of another form; without them, it shows the pattern.
        short: what the reference page calls such a text; without it, the page shows the pattern.
    """

    pattern: str
    words: str | None = None
    short: str | None = None

    def check(self, text: str) -> str:
        """The text, if it has this form."""
        if re.fullmatch(self.pattern, text) is None:
            raise PydanticCustomError("form", "{fault}", {"fault": self.fault(nullable=False)})
        return text

    def fault(self, nullable: bool) -> str:
        """What is wrong with a text of another form."""
        if self.words is None:
            return f"does not have the form {self.pattern}"
        return f"is not {'null or ' if nullable else ''}{self.words}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's way to add a check to a type."""
        return no_info_after_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class Distinct:
    """A list that holds each value once."""

    def check(self, values: list) -> list:
        """The list, if no value repeats."""
        seen = set()
        for value in values:
            if value in seen:
                raise PydanticCustomError("distinct", "holds a value twice; each may stand once")
            seen.add(value)
        return values

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's way to add a check to a type."""
        return no_info_after_validator_function(self.check, handler(source))


# Texts

CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
LINE_CONTROL = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"  # tabs and line ends, too
SOME_TEXT = "text of at least one character, without control characters"

Name = Annotated[str, Form("[a-z0-9][a-z0-9._-]*", short="a name")]
#: A prompt's or a scorer's name has no dash, since the names of training sets are parted by dashes.
PromptName = ScorerName = Annotated[str, Form("[a-z0-9][a-z0-9._]*")]
#: A data set's name begins the names of training sets and is a folder of the results.
DataSetName = Annotated[str, Form("[a-z0-9][a-z0-9_]*")]
Criterion = Annotated[str, Form("[a-z][a-z0-9_]*")]
Text = Annotated[str, Form(f"[^{CONTROL}]+", SOME_TEXT, "text")]
TextOrEmpty = Annotated[str, Form(f"[^{CONTROL}]*", "text without control characters", "text, which may be empty")]
Note = Text | None
Title = Annotated[str, Form(f"[^-{LINE_CONTROL}][^{CONTROL}]*", f"{SOME_TEXT} and without a dash in front", "text")]
PATH_WORDS = "a path without control characters, line ends, braces and angle brackets, and without a dash in front"
PathText = Annotated[str, Form(f"[^-<>{{}}{LINE_CONTROL}][^<>{{}}{LINE_CONTROL}]*", PATH_WORDS, "a path")]
File = PathText | None
IMAGE_FOLDER_WORDS = "a path of letters of ASCII, digits and . _ + @ : , = / -"
ImageFolder = Annotated[str, Form("[A-Za-z0-9._/][A-Za-z0-9._+@:,=/-]*", IMAGE_FOLDER_WORDS)] | None
Sha256 = Annotated[str, Form("[0-9a-f]{64}", short="a SHA-256, in hexadecimal digits")]

# Numbers

Count = Annotated[int, Field(ge=1, le=MOST)]
CountOrNone = Annotated[int, Field(ge=0, le=MOST)]
Limit = Count | None
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Gpus = Annotated[int, Field(ge=0, le=1024)]
Temperature = Annotated[float, Field(ge=0, le=2)]  # vllm takes no more
TopP = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
#: Billions of parameters, or gigabytes.
Amount = Annotated[float, Field(gt=0, le=1_000_000)]

# Training sets and what they are made of (docs/files.md)

#: Names that ``systems`` and ``diversity`` take apart; ``settings`` says what is wrong with one.
TrainingSet = Stage = Quality = Selection = Text
Thresholds = Annotated[list[Percent], Field(min_length=1), Distinct()]
Names = Annotated[list[Name], Field(min_length=1), Distinct()]
