"""The yardstick of P2: the calls of a recorded first sync once more, same bytes, same concurrency, and nothing else.

What the product does between the calls (parsing, deciding, storing) is left out; answers are read and dropped. Where a
call needs an earlier answer (the bulk operation's id and address) that one field is taken from it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import orjson

from shopchimp.local.house import SHOP, House

MAILCHIMP_THREADS = 8
SHOPIFY_THREADS = 3


class Replay:
    """The recorded calls, dealt out into the phases the product makes them in."""

    def __init__(self, house: House, calls: list[dict[str, Any]]) -> None:
        self._house = house
        limits = httpx.Limits(max_connections=40, max_keepalive_connections=20)
        self._http = httpx.Client(trust_env=False, timeout=120, limits=limits)
        self._audience = [call for call in calls if call["platform"] == "mailchimp" and "/lists" in call["path"]]
        self._shopify = [call for call in calls if call["platform"] == "shopify" and "graphql" in call["path"]]

    def run(self) -> float:
        """Make all calls; the seconds it took."""
        from benchmarks.first_sync import _mailchimp_token

        self._mailchimp_auth = {"Authorization": f"Bearer {_mailchimp_token(self._house)}"}
        self._shopify_auth = {"X-Shopify-Access-Token": self._shopify_token()}
        reads = [call for call in self._audience if call["method"] == "GET"]
        writes = [call for call in self._audience if call["method"] != "GET"]
        consents = [
            call
            for call in self._shopify
            if "CustomerConsent" in str(_body(call).get("operationName"))
            or "MarketingConsent" in str(_body(call).get("operationName"))
        ]
        began = time.perf_counter()
        operation = self._start_bulk()
        with ThreadPoolExecutor(MAILCHIMP_THREADS) as pool:
            list(pool.map(self._mailchimp, reads))
        self._download(operation)
        with ThreadPoolExecutor(MAILCHIMP_THREADS) as pool, ThreadPoolExecutor(SHOPIFY_THREADS) as other:
            both = [
                *[pool.submit(self._mailchimp, call) for call in writes],
                *[other.submit(self._graphql, call) for call in consents],
            ]
            for future in both:
                future.result()
        taken = time.perf_counter() - began
        self._http.close()
        return taken

    def _mailchimp(self, call: dict[str, Any]) -> None:
        answer = self._http.request(
            call["method"],
            f"{self._house.mailchimp_url}{call['path']}",
            params=call.get("query") or None,
            content=_content(call),
            headers={**self._mailchimp_auth, "Content-Type": "application/json"},
        )
        answer.raise_for_status()

    def _graphql(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._query(_body(call))

    def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._house.shopify_url}/{SHOP}/admin/api/2026-10/graphql.json"
        headers = {**self._shopify_auth, "Content-Type": "application/json"}
        answer = self._http.post(url, content=orjson.dumps(body), headers=headers)
        answer.raise_for_status()
        return answer.json()

    def _start_bulk(self) -> str:
        call = next(call for call in self._shopify if _body(call).get("operationName") == "BulkOperationRunQuery")
        return str(self._graphql(call)["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"])

    def _download(self, operation: str) -> None:
        call = next(call for call in self._shopify if _body(call).get("operationName") == "BulkOperationById")
        body = {**_body(call), "variables": {"id": operation}}
        while True:
            found = self._query(body)["data"]["bulkOperation"]
            if found["status"] == "COMPLETED":
                break
            time.sleep(0.05)
        with self._http.stream("GET", found["url"]) as answer:
            for _ in answer.iter_bytes(1 << 18):
                pass

    def _shopify_token(self) -> str:
        now, key = int(time.time()), self._house.env["SHOPCHIMP_SHOPIFY_API_KEY"]
        secret = self._house.env["SHOPCHIMP_SHOPIFY_API_SECRET"]
        claims = {"iss": f"https://{SHOP}/admin", "dest": f"https://{SHOP}", "aud": key, "sub": "1"}
        token = jwt.encode(
            {**claims, "exp": now + 60, "nbf": now, "iat": now, "jti": f"bench-{now}", "sid": "bench"}, secret, "HS256"
        )
        body = {
            "client_id": key,
            "client_secret": secret,
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
            "expiring": 1,
        }
        url = f"{self._house.shopify_url}/{SHOP}/admin/oauth/access_token"
        return str(self._http.post(url, json=body).json()["access_token"])


def _body(call: dict[str, Any]) -> dict[str, Any]:
    body = call.get("body")
    return body if isinstance(body, dict) else orjson.loads(body) if body else {}


def _content(call: dict[str, Any]) -> bytes | None:
    return orjson.dumps(call["body"]) if call.get("body") else None
