"""Do the migrations build exactly what the models say, and can the newest go back?

`python -m shopchimp.local.alembic_check` (part of `make lint`). Runs in the project folder, where alembic.ini is,
against an embedded Postgres of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from shopchimp.local.postgres import Postgres

STEPS = (
    ("upgrade", "head"),
    ("check",),  # the models say nothing that no migration builds
    ("downgrade", "-1"),
    ("upgrade", "head"),
    ("check",),
)


def main() -> int:
    """Answer 0 when all steps pass; else the first one's code, after alembic's own words."""
    if not Path("alembic.ini").exists():
        sys.stderr.write("run this in the project folder: there is no alembic.ini here\n")
        return 2
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder), fast=True) as postgres:
        env = {**os.environ, "DATABASE_URL": postgres.url}
        for step in STEPS:
            done = subprocess.run(  # noqa: S603 # our own interpreter and arguments
                [sys.executable, "-m", "alembic", *step], env=env, check=False, capture_output=True, text=True
            )
            if done.returncode:
                sys.stderr.write(f"alembic {' '.join(step)} failed:\n{done.stdout}{done.stderr}")
                return done.returncode
    sys.stdout.write("Migrations and models agree; the newest migration goes back and forth.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
