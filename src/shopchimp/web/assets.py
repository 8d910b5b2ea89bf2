"""Our own CSS and script: served under a name that holds their hash, so a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and the address it is served under."""

    name: str
    body: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """All files, by their plain name."""
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in TYPES:
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[path.name] = Asset(f"{path.stem}.{digest}{path.suffix}", body, TYPES[path.suffix])
    return found


def address(name: str) -> str:
    """Where a file is served: `/static/app.1a2b3c4d5e6f.css`."""
    return f"/static/{assets()[name].name}"


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A file under its hashed name; any other name is unknown."""
    for asset in assets().values():
        if asset.name == name:
            headers = {"Cache-Control": "public, max-age=31536000, immutable"}
            return Response(asset.body, media_type=asset.media_type, headers=headers)
    raise HTTPException(404)


@router.get("/favicon.ico")
def favicon() -> Response:
    """Our mark, for browsers that ask for it by its old name."""
    return Response(assets()["mark.svg"].body, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})
