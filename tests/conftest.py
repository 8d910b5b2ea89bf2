"""What tests of every kind share: one Postgres a session (with xdist: a worker) and the folder beside the checkout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from shopchimp.local.postgres import DATABASE, Postgres

ROOT = Path(__file__).parents[1]
_numbers = count(1)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """A file of the folder `shared` beside the checkout: its tests skip where it is not, but never in CI."""

    def find(name: str) -> Path:
        path = ROOT.parent / "shared" / name
        if not path.exists():
            assert os.environ.get("CI") != "true", f"{name} is missing from the folder beside the checkout"
            pytest.skip(f"{name} is not here: it lies in the folder shared/ beside the checkout")
        return path

    return find


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server whose own database has been migrated: the pattern for those of the tests."""
    with Postgres(tmp_path_factory.mktemp("postgres"), fast=True) as server:
        alembic = Config(str(ROOT / "alembic.ini"))
        alembic.set_main_option("script_location", str(ROOT / "migrations"))
        alembic.set_main_option("sqlalchemy.url", server.url.replace("%", "%%"))
        command.upgrade(alembic, "head")
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> Callable[[], str]:
    """Makes a database with all tables and no rows; its address in SQLAlchemy's form."""

    def make() -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
            connection.execute(f"create database {name} template {DATABASE} owner {DATABASE}")
        url = postgres.url.replace("postgresql://", "postgresql+psycopg://", 1)
        return f"{url.rpartition('/')[0]}/{name}"

    return make


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """A database of this test's own."""
    return new_database()
