"""Privacy: data requests to hand on, and erasures whose Mailchimp contact waits for the merchant's word (D6)."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.services import privacy, settings
from shopchimp.services.privacy import OpenRequest
from shopchimp.web import deps, downloads, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/privacy")
RequestId = Annotated[int, Path(ge=1, le=2**53)]


@router.get("")
def show(request: Request, visitor: PageVisitor, erased: str = "") -> Response:
    """What the merchant can do something about."""
    return _page(request, visitor, erased=erased == "1")


@router.post("/{request_id}/download")
def hand_on(request: Request, visitor: PageVisitor, request_id: RequestId) -> Response:
    """A link to what is stored of the person, as a file to hand on."""
    if data(request, visitor.shop_id, request_id) is None:
        raise HTTPException(404)
    return downloads.offer(request, visitor.shop_id, "data-request", request_id)


@router.post("/{request_id}/erase")
def erase(request: Request, visitor: PageVisitor, request_id: RequestId) -> Response:
    """Delete the contact in Mailchimp for good."""
    if not privacy.erase_contact(deps.gateways(request), visitor.shop_id, request_id):
        return _page(request, visitor, gone=True, status=409)
    return RedirectResponse("/privacy?erased=1", 303)


@downloads.kind("data-request")
def file(request: Request, shop_id: int, request_id: str) -> Response:
    """The file, indented so that a person can read it."""
    found = data(request, shop_id, int(request_id))
    if found is None:
        raise HTTPException(404)
    headers = {"Content-Disposition": f'attachment; filename="shopchimp-data-request-{request_id}.json"'}
    return Response(orjson.dumps(found, option=orjson.OPT_INDENT_2), media_type="application/json", headers=headers)


def data(request: Request, shop_id: int, request_id: int) -> dict[str, Any] | None:
    """What is stored of the person of a data request."""
    gateways = deps.gateways(request)
    with gateways.database.transaction() as tx:
        return privacy.data_of(tx, gateways.vault, shop_id, request_id)


def open_requests(request: Request, shop_id: int) -> list[OpenRequest]:
    """What waits for the merchant."""
    gateways = deps.gateways(request)
    with gateways.database.transaction() as tx:
        return privacy.waiting(tx, gateways.vault, shop_id)


def _page(
    request: Request, visitor: Visitor, *, erased: bool = False, gone: bool = False, status: int = 200
) -> Response:
    found = open_requests(request, visitor.shop_id)
    with deps.database(request).transaction() as tx:
        automatic = settings.get(tx, visitor.shop_id).erase_contacts
    values: dict[str, Any] = {
        "data_requests": [each for each in found if each.topic == privacy.DATA_REQUEST],
        "erasures": [each for each in found if each.topic == privacy.REDACT],
        "automatic": automatic,
        "erased": erased,
        "gone": gone,
    }
    return render.page(request, visitor, "privacy.html", status=status, section="settings", **values)
