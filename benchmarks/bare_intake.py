"""P1's yardstick: the least an asynchronous route can do that runs intake's own statement. Checks nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool

from shopchimp.db import intake

GRAVES = "{" + ",".join('"' + "1" * 32 + '"' for _ in range(2)) + "}"


def app() -> FastAPI:
    """One route, one pool of the same size, one statement."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        os.environ["DATABASE_URL"],
        kwargs={"autocommit": True, "options": "-c plan_cache_mode=force_generic_plan"},
        min_size=2,
        max_size=8,
        open=False,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    bare = FastAPI(lifespan=lifespan, openapi_url=None)

    @bare.get("/healthz")
    async def healthz() -> Response:
        return Response()

    @bare.post("/webhooks/shopify")
    async def route(request: Request) -> Response:
        await request.body()
        values = {
            "domain": request.headers["x-shopify-shop-domain"],
            "digest": request.headers["x-shopify-webhook-id"],
            "topic": request.headers["x-shopify-topic"],
            "fired": None,
            "customers": "{" + request.headers["x-customer"] + "}",
            "address": request.headers["x-address"],
            "graves": GRAVES,
        }
        async with pool.connection() as connection:
            cursor = await connection.execute(intake.PEOPLE_OF_SHOPIFY, values)
            await cursor.fetchone()
        return Response()

    return bare


if __name__ == "__main__":
    uvicorn.run(app(), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
