"""Downloads: a download can't carry the session token (ux.md 1.3), so it gets a ticket that holds for a minute."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from shopchimp.web import deps

router = APIRouter(include_in_schema=False)
TICKET_SECONDS = 60

Make = Callable[[Request, int, str], Response]
_MAKERS: dict[str, Make] = {}


def kind(name: str) -> Callable[[Make], Make]:
    """Register what makes a kind of download from a shop's number and the name of a thing."""

    def keep(make: Make) -> Make:
        _MAKERS[name] = make
        return make

    return keep


def offer(request: Request, shop_id: int, name: str, thing: object) -> Response:
    """The way to a download: for our script an address, for a browser a redirect."""
    claims = {"kind": name, "thing": str(thing), "shop": shop_id, "exp": int(time.time()) + TICKET_SECONDS}
    address = f"/downloads/{jwt.encode(claims, _key(request), algorithm='HS256')}"
    if deps.FRAGMENT_HEADER in request.headers:
        return JSONResponse({"download": address})
    return RedirectResponse(address, 303)


@router.get("/downloads/{ticket}")
def download(request: Request, ticket: str) -> Response:
    """The file itself, for whoever holds the ticket within its minute."""
    try:
        claims: Mapping[str, Any] = jwt.decode(
            ticket, _key(request), algorithms=["HS256"], options={"require": ["exp"]}
        )
        make = _MAKERS[claims["kind"]]
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(404) from None
    return make(request, int(claims["shop"]), str(claims["thing"]))


def _key(request: Request) -> str:
    """Derived, so that a ticket is never good for anything that the app's secret itself signs."""
    secret = deps.gateways(request).shopify_app.secrets[0]
    return hashlib.sha256(f"download-ticket:{secret}".encode()).hexdigest()
