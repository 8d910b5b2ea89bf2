"""The bounce page: only Shopify's script, which fetches a fresh token and reloads the page that was asked for.

https://shopify.dev/docs/apps/build/authentication-authorization/set-embedded-app-authorization
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from shopchimp.shopify.domains import shop_domain
from shopchimp.web import deps, render
from shopchimp.web.errors import own_origin

router = APIRouter(include_in_schema=False)


@router.get("/auth/bounce")
def bounce(request: Request) -> HTMLResponse:
    """App Bridge reads `shopify-reload` from the address by itself, so only our own origin may stand there."""
    refusal = HTTPException(400, "Open shopchimp from your Shopify admin.")
    try:
        shop = shop_domain(request.query_params.get("shop", ""))
    except ValueError:
        raise refusal from None
    reload = request.query_params.getlist("shopify-reload")
    if len(reload) != 1 or not own_origin(reload[0], deps.gateways(request).shopify_app.app_url):
        raise refusal
    request.state.frame_shop = shop  # only now: a refusal must not carry the script that would follow the address
    return render.bare(request, "bounce.html")
