"""The setup, step by step: connect Mailchimp, choose an audience, choose the options."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from shopchimp.domain.causes import Cause, cause
from shopchimp.domain.errors import PlatformError
from shopchimp.services import connection, installation, overview, settings
from shopchimp.services.commerce import reach
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.settings import InvalidSettings
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor
from shopchimp.web.oauth import set_browser
from shopchimp.web.overview import setup_address

router = APIRouter(include_in_schema=False, prefix="/setup")
DECLINED = Cause("Mailchimp wasn't connected", "You closed or declined the page. Nothing was changed.", "critical")


@router.get("")
def setup(request: Request, visitor: PageVisitor) -> Response:
    """Send to the first unfinished step."""
    return RedirectResponse(setup_address(overview.overview(deps.database(request), visitor.shop_id)), 303)


@router.get("/connect")
def connect(request: Request, visitor: PageVisitor, refused: str = "") -> Response:
    """Step 1. `refused` is the code with which the way back from Mailchimp may end."""
    status = connection.status(deps.database(request), visitor.shop_id)
    said = (DECLINED if refused == "declined" else cause(refused)) if refused else None
    return render.page(request, visitor, "setup_connect.html", section="setup", status_=status, problem=said)


@router.post("/mailchimp/start")
def leave_for_mailchimp(request: Request, visitor: PageVisitor) -> Response:
    """Begin the way to Mailchimp's login. A form may not redirect to another site (CSP), so it gets a link."""
    address = connection.begin(deps.gateways(request), visitor.shop_id)
    if deps.FRAGMENT_HEADER in request.headers:
        return JSONResponse({"open": address})
    return render.page(request, visitor, "setup_leave.html", section="setup", address=address)


@router.get("/audience")
def audience(request: Request, visitor: PageVisitor) -> Response:
    """Step 2: the account's audiences, as Mailchimp names them now."""
    return _audience(request, visitor)


@router.post("/audience")
def choose_audience(
    request: Request,
    visitor: PageVisitor,
    audience_id: Annotated[str, Form()] = "",
    store_data: Annotated[str, Form()] = "keep",
) -> Response:
    """Keep the chosen audience and go on. The store of another one before stays in Mailchimp, or is deleted there."""
    if not audience_id:
        return _audience(request, visitor, error="Choose one audience.", status=422)
    gateways, delete = deps.gateways(request), store_data == "delete"
    try:
        connection.choose_audience(gateways, visitor.shop_id, audience_id, delete_store=delete)
    except ConnectRefused as refused:
        return _audience(request, visitor, error=refused.message, status=409)
    return RedirectResponse("/setup/options", 303)


def _audience(request: Request, visitor: Visitor, *, error: str = "", status: int = 200) -> Response:
    current = connection.status(deps.database(request), visitor.shop_id)
    if current is None:
        return RedirectResponse("/setup/connect", 303)
    audiences, trouble = [], None
    try:
        audiences = connection.all_audiences(deps.gateways(request), visitor.shop_id)
    except PlatformError as problem:
        trouble = cause(problem.code)
    values = {"audiences": audiences, "current": current, "trouble": trouble, "error": error}
    return render.page(request, visitor, "setup_audience.html", status=status, section="setup", **values)


@router.get("/options")
def options(request: Request, visitor: PageVisitor) -> Response:
    """Step 3, with defaults that are safe."""
    return _options(request, visitor)


@router.post("/all-orders")
def allow_all_orders(request: Request, visitor: PageVisitor) -> Response:
    """Begin the way to Shopify's question for orders of any age. Like the way to Mailchimp it needs a link.

    Inside the admin our script asks App Bridge instead, where that can. A standalone app has the code grant alone.
    """
    runtime = deps.runtime(request)
    browser = token_urlsafe(32)
    if visitor.embedded:
        address = reach.allow_url(runtime.gateways, visitor.domain)
    else:
        address = installation.begin_code_grant(
            runtime.gateways, visitor.domain, browser=browser, more_scopes=[reach.ALL_ORDERS]
        )
    if deps.FRAGMENT_HEADER in request.headers:
        answer: Response = JSONResponse({"open": address})
    else:
        answer = render.page(request, visitor, "setup_leave_shopify.html", section="setup", address=address)
    if not visitor.embedded:
        set_browser(answer, runtime, browser)
    return answer


@router.post("/permissions")
def look_again(request: Request, visitor: PageVisitor) -> Response:
    """Ask Shopify what is allowed by now."""
    try:
        reach.look_again(deps.gateways(request), visitor.shop_id)
    except PlatformError as problem:
        return _options(request, visitor, trouble=cause(problem.code), status=503)
    return RedirectResponse("/setup/options", 303)


@router.post("/options")
def choose_options(
    request: Request,
    visitor: PageVisitor,
    customers: Annotated[str, Form()] = "all",
    tag: Annotated[str, Form()] = "",
) -> Response:
    """Keep the options; the preview comes next, by its own button."""
    changes = {"sync_non_subscribed": customers != "subscribed", "tag": tag}
    database = deps.database(request)
    try:
        settings.change(database, visitor.shop_id, changes, by=visitor.user)
    except InvalidSettings as invalid:
        return _options(request, visitor, tag=tag, errors=invalid.errors, status=422)
    return RedirectResponse("/setup/preview", 303)


def _options(
    request: Request,
    visitor: Visitor,
    *,
    tag: str | None = None,
    errors: dict[str, str] | None = None,
    trouble: Cause | None = None,
    status: int = 200,
) -> Response:
    database = deps.database(request)
    current = connection.status(database, visitor.shop_id)
    if current is None or current.audience_id is None:
        return RedirectResponse("/setup", 303)
    with database.transaction() as tx:
        chosen = settings.get(tx, visitor.shop_id)
    values: dict[str, Any] = {"settings": chosen, "connection": current, "errors": errors or {}, "trouble": trouble}
    values |= {"tag": chosen.tag if tag is None else tag, "reach": reach.of_shop(database, visitor.shop_id)}
    return render.page(request, visitor, "setup_options.html", status=status, section="setup", **values)
