"""The Admin API's answers, each as the error a job can act on, and the waits that Shopify asks for."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.shopify import bulk, customers
from shopchimp.shopify.client import ShopifyClient, throttle_wait

SHOP = "https://demo-store.myshopify.com"
URL = f"{SHOP}/admin/api/2026-10/graphql.json"
CANARY = "shpat_canary"
HOSTS = frozenset({"storage.googleapis.com"})
RESULT = "https://storage.googleapis.com/result.jsonl"


class Tokens:
    """A source of tokens that has another one ready for one that was refused."""

    def __init__(self, *tokens: str) -> None:
        self.left, self.now = list(tokens[1:]), tokens[0]
        self.refused: list[str] = []

    def __call__(self, *, refused: str | None = None) -> str:
        if refused is not None:
            self.refused.append(refused)
            self.now = self.left.pop(0) if self.left else self.now
        return self.now


@pytest.fixture
def client() -> Iterator[ShopifyClient]:
    with httpx.Client(trust_env=False) as http:
        yield ShopifyClient(http, shop_url=SHOP, token=Tokens(CANARY))


def failure(work: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown
    assert caught.value.__cause__ is None, "httpx's own error holds the request with its token"
    return caught.value


def graphql_error(code: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": "said Shopify", "extensions": {"code": code}}], **more}


@respx.mock
def test_an_answer_gives_its_data_and_the_token_goes_in_the_header_alone(client: ShopifyClient) -> None:
    route = respx.post(URL).respond(json={"data": {"shop": {"name": "Demo"}}})
    assert client.execute("query ShopInfo { shop { name } }", "ShopInfo", {"a": 1}) == {"shop": {"name": "Demo"}}
    request = route.calls.last.request
    assert request.headers["X-Shopify-Access-Token"] == CANARY
    sent = orjson.loads(request.content)
    assert sent == {"query": "query ShopInfo { shop { name } }", "variables": {"a": 1}, "operationName": "ShopInfo"}
    assert CANARY not in str(request.url)
    assert client.calls == {"ShopInfo": 1}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, b'{"errors":"[API] Invalid API key or access token"}', Unauthorized, "sh_access_revoked"),
        (402, b"", Unauthorized, "sh_shop_frozen"),
        (403, b"<html>", Unauthorized, "sh_scope_missing"),
        (404, b'{"errors":"Not Found"}', Gone, "sh_shop_gone"),
        (423, b"", Unauthorized, "sh_shop_locked"),
        (429, b"", RateLimited, "sh_slow_down"),
        (400, b'{"errors":{"query":"Required parameter missing"}}', Unavailable, "sh_unreachable"),
        (500, b'{"errors":"Internal"}', Unavailable, "sh_unreachable"),
        (502, b"<html>Bad gateway</html>", Unavailable, "sh_unreachable"),
        (503, b"", Unavailable, "sh_unreachable"),
        (200, b"<html>", Unavailable, "sh_unreachable"),
        (200, b'{"data": {"shop"', Unavailable, "sh_unreachable"),
        (200, b"", Unavailable, "sh_unreachable"),
        (200, b"[]", Unavailable, "sh_unreachable"),
        (200, b'{"data": null}', Unavailable, "sh_unreachable"),
        (200, orjson.dumps(graphql_error("ACCESS_DENIED")), Unauthorized, "sh_scope_missing"),
        (200, orjson.dumps(graphql_error("THROTTLED")), RateLimited, "sh_slow_down"),
        (200, orjson.dumps(graphql_error("INTERNAL_SERVER_ERROR")), Unavailable, "sh_unreachable"),
        (200, orjson.dumps(graphql_error("TIMEOUT")), Unavailable, "sh_unreachable"),
        (200, orjson.dumps(graphql_error("MAX_COST_EXCEEDED")), Rejected, "sh_rejected"),
        (200, orjson.dumps(graphql_error("INVALID", data={"c0": None})), Rejected, "sh_rejected"),
        (200, b'{"errors":"a sentence"}', Rejected, "sh_rejected"),
        (200, b'{"errors":["a sentence"]}', Rejected, "sh_rejected"),
        (200, b'{"errors":[{"message":null,"extensions":null}]}', Rejected, "sh_rejected"),
    ],
)
@respx.mock
def test_every_bad_answer_is_one_of_our_errors(
    client: ShopifyClient, status: int, body: bytes, kind: type[PlatformError], code: str
) -> None:
    respx.post(URL).respond(status, content=body)
    error = failure(lambda: client.execute("query A { shop { id } }", "A"))
    assert type(error) is kind
    assert (error.platform, error.code) == ("shopify", code)


@pytest.mark.parametrize("raised", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
@respx.mock
def test_a_broken_connection_is_unavailable_and_holds_no_request(client: ShopifyClient, raised: Exception) -> None:
    respx.post(URL).mock(side_effect=raised)
    error = failure(lambda: client.execute("query A { shop { id } }", "A"))
    assert type(error) is Unavailable
    assert error.__suppress_context__


@respx.mock
def test_of_several_errors_the_one_that_waiting_mends_goes_first(client: ShopifyClient) -> None:
    errors = [*graphql_error("SOMETHING")["errors"], *graphql_error("THROTTLED")["errors"]]
    respx.post(URL).respond(json={"errors": errors})
    assert type(failure(lambda: client.execute("query A { shop { id } }", "A"))) is RateLimited


@pytest.mark.parametrize(
    ("cost", "wait"),
    [
        ({"requestedQueryCost": 500, "throttleStatus": {"currentlyAvailable": 100, "restoreRate": 100.0}}, 14.0),
        ({"requestedQueryCost": "500", "throttleStatus": {"currentlyAvailable": "450", "restoreRate": "50"}}, 21.0),
        (
            {
                "requestedQueryCost": 440,
                "throttleStatus": {"maximumAvailable": 1000, "currentlyAvailable": 400, "restoreRate": 50},
            },
            12.0,
        ),
        ({"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 2000, "restoreRate": 100}}, 0.1),
        ({"requestedQueryCost": 1000, "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 1}}, 60.0),
        ({"requestedQueryCost": 1000, "throttleStatus": {"currentlyAvailable": 0, "restoreRate": 0}}, 60.0),
        ({"requestedQueryCost": None, "throttleStatus": None}, 2.0),
        ("cost", 2.0),
        (None, 2.0),
    ],
)
def test_the_wait_for_the_bucket_is_enough_for_three_and_within_a_minute(cost: object, wait: float) -> None:
    assert throttle_wait({"extensions": {"cost": cost}}) == pytest.approx(wait)
    assert throttle_wait({"extensions": None}) == 2.0


@pytest.mark.parametrize(
    ("header", "wait"),
    [("3.5", 3.5), ("0", 1), ("-4", 1), ("1e9", 3600), ("inf", 3600), ("nan", 1), ("soon", 2), (None, 2)],
)
@respx.mock
def test_retry_after_is_kept_within_bounds(client: ShopifyClient, header: str | None, wait: float) -> None:
    respx.post(URL).respond(429, headers={"Retry-After": header} if header else {})
    error = failure(lambda: client.execute("query A { shop { id } }", "A"))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


@respx.mock
def test_a_refused_token_is_replaced_once_and_the_call_repeated() -> None:
    route = respx.post(URL).mock(side_effect=[httpx.Response(401), httpx.Response(200, json={"data": {"ok": 1}})])
    tokens = Tokens("old", "new")
    with httpx.Client() as http:
        client = ShopifyClient(http, shop_url=SHOP, token=tokens)
        assert client.execute("query A { shop { id } }", "A") == {"ok": 1}
    assert [call.request.headers["X-Shopify-Access-Token"] for call in route.calls] == ["old", "new"]
    assert tokens.refused == ["old"]
    assert client.calls == {"A": 2}


@respx.mock
def test_a_second_refusal_is_final() -> None:
    route = respx.post(URL).respond(401)
    with httpx.Client() as http:
        client = ShopifyClient(http, shop_url=SHOP, token=Tokens("old", "new", "newer"))
        assert type(failure(lambda: client.execute("query A { shop { id } }", "A"))) is Unauthorized
    assert route.call_count == 2


# ---------------------------------------------------------------- bulk operations


@respx.mock
def test_a_bulk_operation_reads_shopifys_numbers_as_strings(client: ShopifyClient) -> None:
    found = {"id": "gid://x/1", "status": "COMPLETED", "errorCode": None, "objectCount": "23570", "url": RESULT}
    respx.post(URL).respond(json={"data": {"bulkOperation": found}})
    operation = bulk.look(client, "gid://x/1")
    assert operation is not None
    assert (operation.objects, operation.url, operation.is_running) == (23570, RESULT, False)


@respx.mock
def test_an_empty_bulk_result_has_no_address_and_an_unknown_operation_is_none(client: ShopifyClient) -> None:
    found = {"id": "gid://x/1", "status": "COMPLETED", "objectCount": "0", "url": None}
    respx.post(URL).mock(
        side_effect=[
            httpx.Response(200, json={"data": {"bulkOperation": found}}),
            httpx.Response(200, json={"data": {"bulkOperation": None}}),
        ]
    )
    operation = bulk.look(client, "gid://x/1")
    assert operation is not None
    assert (operation.url, operation.objects) == (None, 0)
    assert bulk.look(client, "gid://x/1") is None


@pytest.mark.parametrize(
    ("code", "kind"), [("OPERATION_IN_PROGRESS", RateLimited), ("LIMIT_REACHED", RateLimited), ("INVALID", Rejected)]
)
@respx.mock
def test_a_bulk_query_that_is_not_taken(client: ShopifyClient, code: str, kind: type[PlatformError]) -> None:
    refused = {"bulkOperation": None, "userErrors": [{"field": None, "message": "no", "code": code}]}
    respx.post(URL).respond(json={"data": {"bulkOperationRunQuery": refused}})
    assert type(failure(lambda: bulk.start(client, "{}"))) is kind


@respx.mock
def test_lines_are_parsed_across_blocks_and_odd_ones_are_empty_objects(client: ShopifyClient) -> None:
    lines = [b'{"id":"a"}', b"", b"null", b"7", b'["x"]', '{"id":"ü"}'.encode()]
    route = respx.get(RESULT).respond(content=b"\n".join(lines))
    found = list(bulk.lines(client, RESULT, allowed_hosts=HOSTS))
    assert found == [{"id": "a"}, {}, {}, {}, {"id": "ü"}]
    assert "x-shopify-access-token" not in route.calls.last.request.headers


@respx.mock
def test_a_line_that_breaks_off_is_unavailable_and_the_stream_is_closed(client: ShopifyClient) -> None:
    respx.get(RESULT).respond(content=b'{"id":"a"}\n{"id":')
    with pytest.raises(Unavailable):
        list(bulk.lines(client, RESULT, allowed_hosts=HOSTS))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/x",
        "http://storage.googleapis.com/x",
        "https://user:pass@storage.googleapis.com/x",
        "https://storage.googleapis.com.evil.example.com/x",
        "file:///etc/passwd",
        "http://[::1",
        "",
    ],
)
@respx.mock
def test_results_are_fetched_from_known_hosts_alone(client: ShopifyClient, url: str) -> None:
    error = failure(lambda: client.download(url, allowed_hosts=HOSTS))
    assert (type(error), error.code) == (Rejected, "sh_unknown_host")
    assert not respx.calls


@respx.mock
def test_a_redirected_result_is_not_followed(client: ShopifyClient) -> None:
    respx.get(RESULT).respond(302, headers={"Location": "http://169.254.169.254/"})
    assert type(failure(lambda: client.download(RESULT, allowed_hosts=HOSTS))) is Unavailable
    assert respx.calls.call_count == 1


# ---------------------------------------------------------------- consent


@respx.mock
def test_consents_come_in_the_order_asked_and_odd_customers_do_not_crash(client: ShopifyClient) -> None:
    said = {
        "emailAddress": "a@example.com",
        "marketingState": "SUBSCRIBED",
        "marketingUpdatedAt": "2026-01-02T03:04:05Z",
    }
    data = {
        "c0": {"id": "x", "defaultEmailAddress": said},
        "c1": None,
        "c2": {"id": "y", "defaultEmailAddress": None},
        "c3": {"id": "z", "defaultEmailAddress": {"marketingState": None, "marketingUpdatedAt": "yesterday"}},
    }
    respx.post(URL).respond(json={"data": data})
    found = customers.consents(client, [1, 2, 3, 4])
    assert found[0] is not None
    assert (found[0].state, found[0].updated_at) == ("SUBSCRIBED", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert found[1] is None
    assert [each.state for each in found[2:] if each] == ["NOT_SUBSCRIBED", "NOT_SUBSCRIBED"]
    assert [each.updated_at for each in found[2:] if each] == [None, None]


@respx.mock
def test_writes_go_out_forty_a_document_with_level_and_time(client: ShopifyClient) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)["variables"]
        refused = {"userErrors": [{"field": None, "message": "Customer not found", "code": "INVALID"}]}
        done = {f"c{n}": {"userErrors": []} for n in range(len(asked))}
        return httpx.Response(200, json={"data": {**done, "c1": refused}})

    route = respx.post(URL).mock(side_effect=answer)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    writes = [customers.ConsentWrite(n, "UNSUBSCRIBED", "SINGLE_OPT_IN", at) for n in range(45)]
    outcome = customers.set_consents(client, writes)
    asked = [orjson.loads(call.request.content)["variables"] for call in route.calls]
    assert [len(each) for each in asked] == [40, 5]
    assert asked[0]["i7"] == {
        "customerId": "gid://shopify/Customer/7",
        "emailMarketingConsent": {
            "marketingState": "UNSUBSCRIBED",
            "marketingOptInLevel": "SINGLE_OPT_IN",
            "consentUpdatedAt": "2026-01-02T03:04:05Z",
        },
    }
    assert [n for n, refused in enumerate(outcome) if refused] == [1, 41]
    assert outcome[1] is not None
    assert outcome[1].code == "sh_customer_gone"
