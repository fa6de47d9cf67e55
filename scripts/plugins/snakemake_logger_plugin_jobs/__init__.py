"""A Snakemake logger that writes the jobs of a run or a dry-run to a JSON file, for plan.py and list_code.py.

Snakemake finds it by its name if scripts/plugins/ is on PYTHONPATH. It uses Snakemake's interface for logger plugins,
whose events contain each job's rule, wildcards and resources; no printed text is parsed.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """The flag --logger-jobs-path."""

    path: str = field(default="jobs.json", metadata={"help": "JSON file to write the jobs to"})


class LogHandler(LogHandlerBase):
    """Collects the events and writes them when Snakemake closes its loggers."""

    writes_to_stream = False
    writes_to_file = False
    has_filter = True  # Snakemake's own filter drops jobs in quiet mode
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Start with no jobs."""
        self.jobs: list[dict] = []
        self.counts: dict[str, int] | None = None

    def emit(self, record: LogRecord) -> None:
        """Record a job, or Snakemake's own count of the jobs by rule."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            # Before a job runs, its resources may be placeholders; only whole numbers are recorded.
            resources = {name: value for name, value in record.resources.items() if isinstance(value, int)}
            self.jobs.append(
                {
                    "rule": record.rule_name,
                    "wildcards": dict(record.wildcards),
                    "input": [str(path) for path in record.input],
                    "output": [str(path) for path in record.output],
                    "command": record.shellcmd,
                    "threads": record.threads,
                    "resources": resources,
                }
            )
        elif event == LogEvent.RUN_INFO:
            self.counts = dict(record.stats)

    def close(self) -> None:
        """Write the file."""
        text = json.dumps({"jobs": self.jobs, "counts": self.counts})
        Path(self.settings.path).write_text(text + "\n", encoding="utf-8")
        super().close()
