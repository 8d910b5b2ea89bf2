"""No log line says whom it is about: canaries through every door of the logs, then a look at all that came out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest

ADDRESS, PHONE, TOKEN = "canary.person@example.com", "+49canary301", "shpat_canary"
SCRIPT = """
    import logging, sys, threading
    import structlog
    from sqlalchemy import create_engine, text
    from shopchimp import logs
    from shopchimp.db.session import Database

    ADDRESS, PHONE, TOKEN = {canaries!r}
    logs.configure("DEBUG")
    log = structlog.get_logger()

    def own():
        structlog.contextvars.bind_contextvars(shop="a.myshopify.com", email=ADDRESS)
        log.info("person_written", email=ADDRESS, phone=PHONE, token=TOKEN, code="mc_rejected", status=400, detail=ADDRESS)
        log.warning("url", url="https://x/?token=" + TOKEN, headers=dict(authorization=TOKEN))
        structlog.contextvars.clear_contextvars()

    def own_exception():
        try:
            raise ValueError(ADDRESS) from RuntimeError(TOKEN)
        except ValueError:
            log.exception("crashed", reference="abc")
        try:
            raise KeyError(PHONE)
        except KeyError as error:
            log.error("crashed_too", exc_info=error)

    def of_libraries():
        other = logging.getLogger("celery.app.trace")
        try:
            raise ValueError("Key (email)=(%s) already exists" % ADDRESS)
        except ValueError:
            other.error("Task %s raised unexpected: %r", "look", ADDRESS, exc_info=True)
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n" + ADDRESS)
        logging.getLogger("kombu").warning("Cannot connect to %s", "redis://:" + TOKEN + "@h")
        logging.getLogger("httpx").info("HTTP Request: GET https://x/?email=" + ADDRESS)
        logging.getLogger("httpcore").debug(TOKEN)

    def of_the_database():
        try:
            Database("postgresql+psycopg://u:" + TOKEN + "@127.0.0.1:1/d").is_ready()
        except Exception as error:
            assert TOKEN not in str(error)
            log.error("database", exc_info=error)
            logging.getLogger("celery").error("%s", error, exc_info=error)

    {work}()
"""


def said(work: str) -> list[dict[str, Any]]:
    """All lines that a process logged; none of them holds a canary."""
    script = textwrap.dedent(SCRIPT).format(canaries=(ADDRESS, PHONE, TOKEN), work=work)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    everything = done.stdout + done.stderr
    assert "canary" not in everything, everything
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_our_own_lines_keep_the_fields_on_the_list_alone() -> None:
    first, second = said("own")
    first.pop("timestamp")
    assert first == {
        "event": "person_written", "level": "info", "code": "mc_rejected", "status": 400, "shop": "a.myshopify.com"
    }  # fmt: skip
    assert set(second) == {"event", "level", "shop", "timestamp"}


def test_exceptions_keep_type_and_place_and_lose_their_words() -> None:
    first, second = said("own_exception")
    assert (first["exception"]["type"], second["exception"]["type"]) == ("ValueError", "KeyError")
    assert first["reference"] == "abc"
    assert first["exception"]["at"][-1].endswith("own_exception")


def test_libraries_say_their_templates() -> None:
    trace, asgi, kombu = said("of_libraries")
    assert (trace["event"], trace["exception"]["type"]) == ("Task %s raised unexpected: %r", "ValueError")
    assert (asgi["event"], asgi["logger"]) == ("Exception in ASGI application", "uvicorn.error")
    assert kombu["event"] == "Cannot connect to %s"


def test_the_database_keeps_its_password_and_parameters_to_itself() -> None:
    lines = said("of_the_database")
    assert [line["exception"]["type"] for line in lines] == ["OperationalError", "OperationalError"]


def test_configuring_twice_says_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    from shopchimp import logs

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure()
        logs.configure()
        ours = [one for one in root.handlers if isinstance(one.formatter, logs.OthersFormatter)]
        assert len(ours) == 1
    finally:
        root.handlers, root.level = handlers, level
        __import__("structlog").reset_defaults()
    capsys.readouterr()
