"""The web process: `create_app` assembles it, uvicorn runs it by `process_app`."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shopchimp import config, logs
from shopchimp.jobs.app import celery_app
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime
from shopchimp.web import app as pages
from shopchimp.web import intake, oauth, pixel, webhooks


def create_app(settings: config.Settings | None = None, *, runtime: Runtime | None = None) -> FastAPI:
    """The application, with its runtime on `app.state.runtime`. Settings come from the environment unless given."""
    if runtime is None:
        settings = settings or config.load()
        logs.configure(settings.log_level)
        runtime = config.open_runtime(settings)
    celery_app.conf.broker_url = runtime.redis_url
    owned = runtime

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with intake.opened(owned, wake, pixel.tell) as app.state.intake:
            yield
        app.state.intake = None
        owned.close()

    app = pages.new_app()
    app.router.lifespan_context = lifespan
    app.state.runtime = runtime
    app.add_middleware(pixel.Door)
    app.add_middleware(webhooks.Door)  # before the pixel's: Shopify waits for an answer
    app.include_router(webhooks.router)
    app.include_router(oauth.router)
    pages.add_routes(app, app_url=runtime.shopify_app.app_url, app_bridge_url=runtime.app_bridge_url)
    return app


def process_app() -> FastAPI:
    """The application for a process of its own.

    What is there by now stays there: to look through all of it for garbage, as Python does now and then, stops every
    request for 0.1 to 0.2 s.
    """
    app = create_app()
    gc.collect()
    gc.freeze()
    return app
