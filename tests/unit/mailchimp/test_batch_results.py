"""The results of a batch: a tar.gz in pieces, its address checked, broken ones told; and what is asked of a batch."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.domain.errors import Rejected, Unavailable
from shopchimp.mailchimp import operations
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.ecommerce import Operation, operation_of

ROOT = "https://us6.api.mailchimp.com/3.0"
HOSTS = frozenset({"batch.storage.test"})
URL = "https://batch.storage.test/8ngk-response.tar.gz?Expires=1&Signature=X"


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT.removesuffix("/3.0"), token="a-token")


def packed(*files: Any) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        folder = tarfile.TarInfo("8ngk")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number, each in enumerate(files):
            data = each if isinstance(each, bytes) else orjson.dumps(each)
            entry = tarfile.TarInfo(f"8ngk/{number}.json")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(content.getvalue())


def row(operation_id: str, status: int = 200, response: str = "{}") -> dict[str, Any]:
    return {"status_code": status, "operation_id": operation_id, "response": response}


class Trickle(httpx.SyncByteStream):
    """An answer in small pieces; counts what was asked for."""

    def __init__(self, content: bytes, size: int) -> None:
        self.pieces = [content[at : at + size] for at in range(0, len(content), size)]
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece


def read(client: MailchimpClient, **more: Any) -> list[operations.Result]:
    return list(operations.results(client, URL, allowed_hosts=HOSTS, **more))


@respx.mock
def test_results_are_read_from_all_files_in_whatever_pieces_they_come(client: MailchimpClient) -> None:
    problem = '{"title": "Resource Not Found", "status": 404}'
    content = packed([row("b", 404, problem), row("a")], [row("c", 204, "")], [])
    route = respx.get(URL).mock(httpx.Response(200, stream=Trickle(content, 7)))
    assert read(client) == [
        operations.Result("b", 404, {"title": "Resource Not Found", "status": 404}),
        operations.Result("a", 200, {}),
        operations.Result("c", 204, None),
    ]
    assert "authorization" not in route.calls.last.request.headers


@respx.mock
def test_only_as_much_is_fetched_as_is_read(client: MailchimpClient) -> None:
    """The archive is never whole in memory."""
    noise = [[row(f"{number}-{place}", response=f'{{"n": "{hash((number, place))}"}}') for place in range(300)]
             for number in range(200)]  # fmt: skip
    stream = Trickle(packed(*noise), 2_000)
    respx.get(URL).mock(httpx.Response(200, stream=stream))
    found = operations.results(client, URL, allowed_hosts=HOSTS)
    assert next(found).operation_id == "0-0"
    assert stream.taken < len(stream.pieces) / 2
    assert len(list(found)) == 200 * 300 - 1


@respx.mock
def test_of_marked_operations_only_those_with_the_mark_are_ours(client: MailchimpClient) -> None:
    content = packed([row("m1/order:1"), row("m2/order:1", 400), row("order:1", 500)])
    respx.get(URL).mock(httpx.Response(200, content=content))
    assert read(client, mark="m1") == [operations.Result("order:1", 200, {})]


@respx.mock
@pytest.mark.parametrize(
    "content",
    [
        packed([row("a")])[:-40],
        packed(b'[{"status_code": 200, '),
        b"<html>gone</html>",
        gzip.compress(b"no archive at all, but long enough to be taken for one" * 20),
        b"",
    ],
    ids=["torn", "half a row", "a page", "no archive", "empty"],  # gzip's own bytes hold the time
)
def test_a_torn_archive_is_no_answer(client: MailchimpClient, content: bytes) -> None:
    respx.get(URL).mock(httpx.Response(200, content=content))
    with pytest.raises(Unavailable):
        read(client)


@respx.mock
def test_an_address_that_ran_out_is_no_answer(client: MailchimpClient) -> None:
    respx.get(URL).respond(403)
    with pytest.raises(Unavailable):
        read(client)
    respx.get(URL).respond(302, headers={"location": "https://evil.test/"})
    with pytest.raises(Unavailable):
        read(client)


@pytest.mark.parametrize(
    "url",
    [
        "http://batch.storage.test/x",
        "https://user:pass@batch.storage.test/x",
        "https://batch.storage.test.evil.test/x",
        "https://evil.test/x",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
def test_results_are_fetched_from_known_hosts_only(client: MailchimpClient, url: str) -> None:
    with pytest.raises(Rejected) as refused:
        list(operations.results(client, url, allowed_hosts=HOSTS))
    assert refused.value.code == "mc_unknown_host"
    assert client.calls.total() == 0


# ------------------------------------------------------------------ asking


def customer(n: int, **more: Any) -> Operation:
    body = {"id": f"c{n}", "email_address": f"r{n}@example.com", "opt_in_status": False, **more}
    return operation_of("s1", Step(Kind.CUSTOMER, body))


@respx.mock
def test_a_batch_says_each_call_as_it_would_be_made(client: MailchimpClient) -> None:
    route = respx.post(f"{ROOT}/batches").respond(json={"id": "8ngk", "status": "pending"})
    assert operations.submit(client, [customer(1)], mark="m1") == "8ngk"
    (sent,) = orjson.loads(route.calls.last.request.content)["operations"]
    assert orjson.loads(sent.pop("body")) == customer(1).body
    assert sent == {
        "method": "PUT",
        "path": "/ecommerce/stores/s1/customers/c1",
        "operation_id": "m1/customer:c1",
    }


@respx.mock
def test_the_batches_of_late_oldest_first_over_all_pages(client: MailchimpClient) -> None:
    def batch(name: str, at: str) -> dict[str, Any]:
        return {"id": name, "status": "pending", "total_operations": 0, "submitted_at": at}

    route = respx.get(f"{ROOT}/batches")
    route.side_effect = [
        httpx.Response(
            200,
            json={"batches": [batch("new", "2026-11-22T12:00:00+00:00"), batch("odd", "soon")], "total_items": 4},
        ),
        httpx.Response(
            200,
            json={
                "batches": [batch("old", "2026-11-22T10:00:00+00:00"), batch("mid", "2026-11-22T11:30:00+00:00")],
                "total_items": 4,
            },
        ),
    ]
    found = operations.recent(client, datetime(2026, 11, 22, 11, tzinfo=UTC))
    assert [each.id for each in found] == ["mid", "new"]
    assert [call.request.url.params["offset"] for call in route.calls] == ["0", "2"]


@respx.mock
def test_a_batch_that_is_gone(client: MailchimpClient) -> None:
    respx.get(f"{ROOT}/batches/8ngk").respond(404, json={"title": "Resource Not Found"})
    respx.delete(f"{ROOT}/batches/8ngk").respond(404, json={"title": "Resource Not Found"})
    assert operations.look(client, "8ngk") is None
    operations.stop(client, "8ngk")
    respx.delete(f"{ROOT}/batches/8ngk").respond(500, json={})
    with pytest.raises(Unavailable):
        operations.stop(client, "8ngk")


def test_a_batch_is_no_larger_than_can_be_sent() -> None:
    small = [customer(n) for n in range(1200)]
    assert operations.portion(small) == 1000
    assert operations.portion(small, most=500) == 500
    assert operations.portion(small[:3]) == 3
    large = [customer(n, company="x" * 3_000_000) for n in range(4)]
    assert operations.portion(large) == 2
    huge = [customer(n, company="x" * 9_000_000) for n in range(2)]
    assert operations.portion(huge) == 1
    assert operations.portion([]) == 0
