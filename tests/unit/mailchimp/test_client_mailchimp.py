"""The Marketing API's answers, each as the error a job can act on; and what is read out of a refusal's words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import respx

from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.mailchimp.client import MailchimpClient, classify

ROOT = "https://us6.api.mailchimp.com"
CANARY = "canary-token"
MEMBER = "/lists/{list_id}/members/{subscriber_hash}"


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT, token=CANARY)


def problem(status: int, title: str, detail: str = "", **more: Any) -> httpx.Response:
    body = {"type": "https://mailchimp.com/x", "title": title, "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


def failure(work: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    return caught.value


@respx.mock
def test_the_token_goes_in_the_header_alone(client: MailchimpClient) -> None:
    route = respx.get(f"{ROOT}/3.0/lists").respond(json={"lists": []})
    assert client.get("/lists", "/lists", {"count": 1}) == {"lists": []}
    assert route.calls.last.request.headers["Authorization"] == f"Bearer {CANARY}"
    assert CANARY not in str(route.calls.last.request.url)
    assert client.calls == {"GET /lists": 1}


@respx.mock
def test_no_content_is_an_empty_object(client: MailchimpClient) -> None:
    respx.post(f"{ROOT}/3.0/lists/a").respond(204)
    assert client.send("POST", "/lists/a", "/lists/{list_id}", body={}) == {}


@pytest.mark.parametrize(
    ("route", "answer", "kind", "code"),
    [
        ("/lists", problem(401, "API Key Invalid"), Unauthorized, "mc_access_revoked"),
        ("/lists", problem(403, "Forbidden"), Unauthorized, "mc_role_too_low"),
        ("/lists", problem(403, "User Disabled"), Unauthorized, "mc_role_too_low"),
        ("/lists", httpx.Response(403, html="<h1>Access Denied</h1>"), RateLimited, "mc_slow_down"),
        ("/lists", httpx.Response(403), RateLimited, "mc_slow_down"),
        ("/lists", problem(429, "Too Many Requests"), RateLimited, "mc_slow_down"),
        ("/lists", httpx.Response(429), RateLimited, "mc_slow_down"),
        ("/lists/{list_id}", problem(404, "Resource Not Found"), Gone, "mc_audience_gone"),
        ("/lists/{list_id}/members", problem(404, "Resource Not Found"), Gone, "mc_audience_gone"),
        ("/lists/{list_id}/merge-fields", problem(404, "Resource Not Found"), Gone, "mc_audience_gone"),
        (MEMBER, problem(404, "Resource Not Found"), Rejected, "mc_not_found"),
        ("/lists", problem(404, "Resource Not Found"), Rejected, "mc_not_found"),
        ("/lists", problem(405, "Method Not Allowed"), Rejected, "mc_rejected"),
        ("/lists", problem(400, "JSON Parse Exception"), Rejected, "mc_rejected"),
        ("/lists", problem(500, "Internal Server Error"), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(502, html="<html>"), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(503), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(408), Unavailable, "mc_unreachable"),
        (
            "/lists",
            httpx.Response(302, headers={"Location": "https://evil.example.com"}),
            Unavailable,
            "mc_unreachable",
        ),
        ("/lists", httpx.Response(200, html="<html>"), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(200), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(200, json=[]), Unavailable, "mc_unreachable"),
        ("/lists", httpx.Response(200, content=b'{"lists": ['), Unavailable, "mc_unreachable"),
    ],
)
@respx.mock
def test_every_bad_answer_is_one_of_our_errors(
    client: MailchimpClient, route: str, answer: httpx.Response, kind: type[PlatformError], code: str
) -> None:
    respx.get(f"{ROOT}/3.0/lists").mock(return_value=answer)
    error = failure(lambda: client.get("/lists", route))
    assert type(error) is kind
    assert (error.platform, error.code) == ("mailchimp", code)


@pytest.mark.parametrize(
    "raised",
    [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x"), httpx.DecodingError("x")],
)
@respx.mock
def test_a_broken_connection_is_unavailable(client: MailchimpClient, raised: Exception) -> None:
    respx.get(f"{ROOT}/3.0/lists").mock(side_effect=raised)
    error = failure(lambda: client.get("/lists", "/lists"))
    assert type(error) is Unavailable
    assert error.__suppress_context__


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        (
            "a@example.com is in a compliance state due to unsubscribe, bounce, or compliance review",
            "mc_compliance_state",
        ),
        ("a@example.com was permanently deleted and cannot be re-imported", "mc_forgotten"),
        ("a@example.com looks fake or invalid, please enter a real email address.", "mc_email_refused"),
        ("Please provide a valid email address.", "mc_email_refused"),
        ("a@example.com has signed up to a lot of lists very recently; we're not allowing more", "mc_too_many_signups"),
        ("a@example.com is already a list member. Use PUT to insert or update list members.", "mc_contact_exists"),
        ("Your merge fields were invalid.", "mc_field_value"),
        ("PHONE: This value is required", "mc_field_required"),
        ("Your plan allows no more contacts", "mc_plan_limit"),
        ("planet@example.com contains a word we don't like", "mc_rejected"),
        ("required.forgotten@example.com contains a word we don't like", "mc_rejected"),
        ("", "mc_rejected"),
    ],
)
def test_a_refusal_is_known_by_its_words_but_not_by_the_address_in_it(detail: str, code: str) -> None:
    assert classify(detail) == code
    assert classify(detail, "ERROR_CONTACT_EXISTS") == "mc_contact_exists"


@respx.mock
def test_a_problem_without_type_and_with_odd_errors_is_read_all_the_same(client: MailchimpClient) -> None:
    body = {
        "title": "Invalid Resource",
        "status": 400,
        "errors": [{"field": "PHONE", "message": "is required"}, "x", None],
    }
    respx.get(f"{ROOT}/3.0/lists").respond(400, json=body)
    error = failure(lambda: client.get("/lists", "/lists"))
    assert (error.code, error.detail) == ("mc_field_required", "Invalid Resource PHONE: is required")
    respx.get(f"{ROOT}/3.0/lists").respond(400, json={"title": None, "errors": 7})
    assert type(failure(lambda: client.get("/lists", "/lists"))) is Rejected


@pytest.mark.parametrize(
    ("header", "wait"), [("30", 30), ("0", 1), ("-4", 1), ("1e9", 3600), ("soon", 2), ("nan", 1), (None, 2)]
)
@respx.mock
def test_the_wait_is_kept_within_bounds(client: MailchimpClient, header: str | None, wait: float) -> None:
    respx.get(f"{ROOT}/3.0/lists").respond(429, headers={"Retry-After": header} if header else {})
    error = failure(lambda: client.get("/lists", "/lists"))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait
