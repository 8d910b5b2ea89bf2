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
    try:
        request.state.frame_shop = shop_domain(request.query_params.get("shop", ""))
    except ValueError:
        raise HTTPException(400, "Open shopchimp from your Shopify admin.") from None
    reload = request.query_params.getlist("shopify-reload")
    app_url = deps.gateways(request).shopify_app.app_url
    if len(reload) != 1 or not own_origin(reload[0], app_url):
        raise HTTPException(400, "Open shopchimp from your Shopify admin.")
    return render.bare(request, "bounce.html")
