"""What `shopchimp serve` has uvicorn run."""

from __future__ import annotations

import gc

import pytest
import uvicorn
from fastapi import FastAPI

from shopchimp import cli, config, main


def test_what_was_built_at_the_start_is_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: served by `create_app`; not frozen."""
    monkeypatch.setattr(main, "create_app", FastAPI)
    monkeypatch.setattr(config, "load", lambda: type("Settings", (), {"standalone_shop": ""}))
    served: list[str] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **_: served.append(app))
    cli.serve("127.0.0.1", 0, 1)
    module, name = served[0].split(":")
    assert module == main.__name__
    before = gc.get_freeze_count()
    try:
        assert isinstance(getattr(main, name)(), FastAPI)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
