"""Structured logs: one JSON object a line, and only fields that are on the list.

Personal data and secrets stay out by an allow-list rather than by care: a field that is not named here is
dropped, so a new log line can't leak an address by accident (reliability.md 6.1).
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "logger", "shop", "run", "phase", "chunk", "attempt", "status", "method",
        "route", "ms", "code", "platform", "error", "reference", "count", "wait", "worker", "task", "state",
        "calls", "port", "signal", "pid", "step", "kind", "exception",
    }
)  # fmt: skip


def _only_allowed(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in ALLOWED}


def _exception_without_words(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep where it happened and of what type; the words of an exception may quote a person's data."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
        event["exception"] = {"type": type(error).__name__, "at": where}
    return event


class OthersFormatter(logging.Formatter):
    """What libraries log, as our own lines: the template of the message, since its arguments may quote anything."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object. An exception keeps its type and place, as in our own lines, and loses its words."""
        event: MutableMapping[str, Any] = {
            "event": str(record.msg).partition("\n")[0][:200],
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            event["exc_info"] = record.exc_info
        return json.dumps(_only_allowed(None, "", _exception_without_words(None, "", event)))


def configure(level: str = "INFO") -> None:
    """Send structlog and the standard library's warnings to standard error as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_without_words,
            _only_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OthersFormatter())
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one.formatter, OthersFormatter)] + [handler]
    root.setLevel(logging.WARNING)
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
