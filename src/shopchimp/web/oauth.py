"""Coming back from Shopify and Mailchimp: the two OAuth callbacks, and the start of the authorization code grant.

These requests arrive at the top level without a session token, so each proves itself by a signed query, a single-use
state, or both (shopify.md 4, mailchimp.md 2). The state cookie of the code grant is the product's only cookie.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from shopchimp.domain.causes import cause
from shopchimp.domain.errors import PlatformError
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime
from shopchimp.services import connection, installation
from shopchimp.shopify import signatures
from shopchimp.shopify.domains import admin_app_url, shop_domain
from shopchimp.web import deps

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)
COOKIE = "shopchimp_install"


@router.get("/auth/shopify")
def begin_install(request: Request, shop: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Send the browser to Shopify's grant page. Installs start at Shopify, so the query has to be signed by it."""
    runtime = deps.runtime(request)
    if not _is_signed(request, runtime):
        return _message("This link isn't from Shopify", "Open shopchimp from your Shopify admin.", 401)
    browser = token_urlsafe(32)
    try:
        target = installation.begin_code_grant(runtime.gateways, shop, browser=browser)
    except ValueError:
        return _message("This isn't a Shopify store", "Open shopchimp from your Shopify admin.", 400)
    answer = RedirectResponse(target, status_code=302)
    set_browser(answer, runtime, browser)
    return answer


def set_browser(answer: Response, runtime: Runtime, browser: str) -> None:
    """Give the browser the secret by which it is known when it comes back from the grant page."""
    secure = runtime.shopify_app.app_url.startswith("https://")
    name = f"__Host-{COOKIE}" if secure else COOKIE
    answer.set_cookie(name, browser, max_age=600, httponly=True, secure=secure, samesite="lax", path="/")


@router.get("/auth/shopify/callback")
def finish_install(request: Request, code: str = "", state: str = "", shop: str = "") -> Response:
    """Shopify grants access: signature, state and browser are checked before the code is redeemed."""
    runtime = deps.runtime(request)
    if not _is_signed(request, runtime):
        return _message("This link isn't from Shopify", "Open shopchimp from your Shopify admin.", 401)
    browser = request.cookies.get(f"__Host-{COOKIE}") or request.cookies.get(COOKIE)
    try:
        done = installation.finish_code_grant(runtime.gateways, shop=shop, code=code, state=state, browser=browser)
    except ValueError:
        return _message("This isn't a Shopify store", "Open shopchimp from your Shopify admin.", 400)
    except PlatformError as error:
        return _failed(error)
    if done is None:
        return _message("This link was used or is too old", "Start again from your Shopify admin.", 400)
    answer = RedirectResponse(_app_page(runtime, shop_domain(shop), ""), status_code=302)
    for name in (COOKIE, f"__Host-{COOKIE}"):
        answer.delete_cookie(name, secure=name.startswith("__Host-"), path="/")
    return answer


@router.get("/auth/mailchimp/callback")
def finish_mailchimp(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    """Mailchimp sends the merchant back: the state tells the shop, the code becomes the account's token."""
    runtime = deps.runtime(request)
    domain = connection.began_for(runtime.gateways, state) if state else None
    if domain is None:
        return _message("This link was used or is too old", "Start again from the connect page of shopchimp.", 400)
    if error or not code:
        target = _app_page(runtime, domain, "setup/connect?refused=declined")
        return RedirectResponse(target, status_code=302)
    try:
        connection.finish(runtime.gateways, domain, code)
    except connection.ConnectRefused as refused:
        return RedirectResponse(_app_page(runtime, domain, f"setup/connect?refused={refused.code}"), status_code=302)
    except PlatformError as failure:
        log.warning("connect_failed", code=failure.code, platform=failure.platform)
        return RedirectResponse(_app_page(runtime, domain, f"setup/connect?refused={failure.code}"), status_code=302)
    wake()
    return RedirectResponse(_app_page(runtime, domain, "setup/audience"), status_code=302)


def _is_signed(request: Request, runtime: Runtime) -> bool:
    query = signatures.genuine_query(request.url.query, runtime.shopify_app.secrets, now=runtime.gateways.clock())
    return query is not None


def _app_page(runtime: Runtime, shop: str, path: str) -> str:
    """A page of the app: inside the Shopify admin, or right here where the process stands alone."""
    if runtime.standalone_shop or not runtime.shopify_app.url_template.startswith("https://{shop}"):
        return f"{runtime.shopify_app.app_url}/{path}"
    return f"{admin_app_url(shop, runtime.shopify_app.api_key)}/{path}"


def _failed(error: PlatformError) -> HTMLResponse:
    log.warning("install_failed", code=error.code, platform=error.platform)
    words = cause(error.code)
    return _message(words.title, words.explanation, 502)


def _message(title: str, text: str, status: int) -> HTMLResponse:
    """A page for a browser that we know nothing about: no shop, no frame."""
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f"<body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    )
    return HTMLResponse(body, status_code=status)
