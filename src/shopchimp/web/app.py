"""All pages and the API, put on an app. `main` makes the app and its runtime, and adds OAuth beside these."""

from __future__ import annotations

from fastapi import FastAPI

from shopchimp.web import (
    activity,
    api,
    assets,
    bounce,
    commerce,
    customer_events,
    downloads,
    drift,
    errors,
    failed,
    health,
    held,
    live,
    overview,
    people,
    previews,
    privacy,
    promo_codes,
    settings,
    settings_fields,
    settings_sms,
    settings_tags,
    setup,
    syncs,
)
from shopchimp.web.headers import BodyLimit, Headers

ROUTERS = (
    overview.router,
    setup.router,
    previews.router,
    downloads.router,
    syncs.router,
    activity.router,
    people.router,
    promo_codes.router,
    commerce.router,
    customer_events.router,
    settings.router,
    settings_fields.router,
    settings_tags.router,
    settings_sms.router,
    live.router,
    held.router,
    failed.router,
    drift.router,
    privacy.router,
    bounce.router,
    assets.router,
    health.router,
    api.router,
    api.document,
)


def add_routes(app: FastAPI, *, app_url: str, app_bridge_url: str) -> None:
    """Put every route, error handler and middleware of the web package on the app."""
    for router in ROUTERS:
        app.include_router(router)
    errors.add_handlers(app)
    app.add_middleware(errors.Catch)
    app.add_middleware(BodyLimit)
    app.add_middleware(Headers, app_url=app_url, app_bridge_url=app_bridge_url)
    app.add_middleware(health.Count)


def new_app() -> FastAPI:
    """An empty app with our title and without FastAPI's own documentation pages, which load foreign scripts."""
    return FastAPI(
        title="shopchimp",
        version="1",
        summary="Keeps a Shopify store and a Mailchimp audience the same, in both directions.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
