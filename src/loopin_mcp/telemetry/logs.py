"""The form of the log, and its level."""

import json
import logging
from datetime import UTC, datetime

from loopin_mcp.telemetry.traces import current_trace


class JSONLines(logging.Formatter):
    """Makes one JSON object of each record."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := current_trace():
            fields |= {"requestId": trace.trace_id, "spanId": trace.span_id}
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def log_as(form: str, level: str) -> None:
    """Log in this form, from this level on; the log is on stderr, as text and from `info` on.

    Other libraries log nothing below `info`: some would log keys.
    """
    if form == "json":
        for handler in logging.root.handlers:
            handler.setFormatter(JSONLines())
    if level != "info":
        logging.getLogger("loopin_mcp" if level == "debug" else None).setLevel(level.upper())
