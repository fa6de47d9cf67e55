"""What the preparation of a data set gives, whatever form its raw files have."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.records import Record

#: The splits of a data set, in the order in which they are prepared.
SPLITS = ("train", "valid", "test")


@dataclass
class Preparation:
    """The samples of one split, and what became of its dialogues on the way.

    Attributes:
        samples: ``records.DATA_SAMPLE``, with ``emotion`` and ``situation`` where the data has them.
        report: the split's part of report.json: at least ``conversations`` and ``samples``, counts.
        log: sentences for the log, such as each dialogue that was left out.
    """

    samples: list[Record]
    report: Record = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
