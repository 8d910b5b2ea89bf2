"""Both roads to Mailchimp against the sandbox as a process: the same end by either, whatever gets lost on the way (S1,
S2, S76)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shopchimp.db import connections
from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, StoreGone, Unavailable
from shopchimp.mailchimp import ecommerce, operations
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.ecommerce import Operation, operation_of
from shopchimp.services.commerce.roads import Batched, Direct, Pending, Ticket
from stage import Stage, stage

STORE = "demo-store-1"
HOSTS = frozenset({"127.0.0.1"})
VARIANT = {"id": "v1", "title": "Small", "price": 5.0, "inventory_quantity": 3, "visibility": "visible"}
PRODUCT = Step(Kind.PRODUCT, {"id": "p1", "title": "Lamp", "variants": [VARIANT]})


@pytest.fixture(scope="module")
def played(new_database: Callable[[], str]) -> Iterator[Stage]:
    with stage(new_database(), "--people", "3") as found:
        yield found


@pytest.fixture
def client(played: Stage) -> Iterator[MailchimpClient]:
    """The account with a fresh store that has one product."""
    made = played.runtime.gateways.mailchimp(played.shop_id)
    with played.database.transaction() as tx:
        connection = connections.get(tx, played.shop_id)
    assert connection is not None
    assert connection.audience_id is not None
    played.sandbox.faults()
    ecommerce.delete_store(made, STORE)
    ecommerce.make_store(made, STORE, connection.audience_id, name="Demo", currency_code="EUR")
    ecommerce.write(made, STORE, PRODUCT)
    yield made
    played.sandbox.faults()


def customer(n: int, email: str | None = None) -> Step:
    body = {"id": f"c{n}", "email_address": email or f"buyer{n}@example.com", "opt_in_status": False}
    return Step(Kind.CUSTOMER, body)


def order(n: int, *, lines: tuple[str, ...] = ("l1",), product: str = "p1", **more: Any) -> Step:
    rows = [
        {"id": each, "product_id": product, "product_variant_id": "v1", "quantity": 1, "price": 5.0} for each in lines
    ]
    body = {"id": f"o{n}", "customer": {"id": f"c{n}"}, "currency_code": "EUR", "order_total": 5.0, "lines": rows}
    return Step(Kind.ORDER, body | more)


def cart(n: int, who: int, *, lines: dict[str, int], url: str = "https://shop.test/c") -> Step:
    rows = [
        {"id": each, "product_id": "p1", "product_variant_id": "v1", "quantity": quantity, "price": 5.0}
        for each, quantity in lines.items()
    ]
    body = {"id": f"k{n}", "customer": {"id": f"c{who}"}, "currency_code": "EUR", "order_total": 5.0, "lines": rows}
    return Step(Kind.CART, body | {"checkout_url": url})


def rule(amount: float) -> Step:
    body = {"id": "r1", "description": "Off", "amount": amount, "type": "percentage", "target": "total"}
    return Step(Kind.PROMO_RULE, body)


def code(n: int) -> Step:
    body = {"id": f"x{n}", "code": f"SAVE{n}", "redemption_url": f"https://shop.test/discount/SAVE{n}"}
    return Step(Kind.PROMO_CODE, body, parent="r1")


def ops(*steps: Step) -> list[Operation]:
    return [operation_of(STORE, step) for step in steps]


def batched(client: MailchimpClient, **more: Any) -> Batched:
    given = {"allowed_hosts": HOSTS, "clock": lambda: datetime.now(UTC), **more}
    return Batched(client, 8, **given)


@pytest.fixture(params=["direct", "batches"])
def road(request: pytest.FixtureRequest, client: MailchimpClient) -> Direct | Batched:
    return Direct(client, 8) if request.param == "direct" else batched(client)


def total(client: MailchimpClient, kind: Kind) -> int:
    return ecommerce.page(client, STORE, kind, count=1)[1]


def refusals(outcomes: dict[str, PlatformError | None]) -> dict[str, str]:
    return {name: error.code for name, error in outcomes.items() if error is not None}


def test_s2_customers_and_orders_go_in_and_the_bad_one_alone_is_refused(
    client: MailchimpClient, road: Direct | Batched
) -> None:
    people = [customer(n) for n in range(40)]
    bad = customer(40, "nobody")
    assert refusals(road.send(ops(*people, bad))) == {"customer:c40": "mc_email_refused"}
    orders = [order(n) for n in range(40)]
    found = road.send(ops(*orders, order(41), replace_id(order(1, product="p9"), "o99")))
    assert refusals(found) == {"order:o41": "mc_customer_missing", "order:o99": "mc_product_missing"}
    assert total(client, Kind.ORDER) == 40
    assert total(client, Kind.CUSTOMER) == 40
    assert road.pace.operations == 83
    assert road.pace.rate > 0


def replace_id(step: Step, object_id: str) -> Step:
    return replace(step, body={**step.body, "id": object_id})


def test_what_is_there_already_is_changed_whichever_way_it_takes(
    client: MailchimpClient, road: Direct | Batched
) -> None:
    """S64: a promo code is never deleted to be changed; S15: an address that changed stays one customer."""
    first = ops(customer(1), customer(2), rule(0.1), cart_ready := cart(1, 1, lines={"a": 1, "b": 1}))
    assert refusals(road.send(first[:2])) == {}
    assert refusals(road.send(first[2:])) == {}
    assert refusals(road.send(ops(code(1), code(2)))) == {}
    for part in (
        ops(customer(1, "new@example.com"), rule(0.2)),
        ops(replace_code(code(1)), cart(1, 1, lines={"b": 3, "c": 1}, url="https://shop.test/d")),
        ops(replace(customer(2, "other@example.com"), if_missing=True)),
    ):
        assert refusals(road.send(part)) == {}
    assert cart_ready.body["id"] == "k1"
    changed = ecommerce.get(client, STORE, Kind.CUSTOMER, "c1")
    kept = ecommerce.get(client, STORE, Kind.CUSTOMER, "c2")
    assert changed is not None
    assert changed["email_address"] == "new@example.com"
    assert kept is not None
    assert kept["email_address"] == "buyer2@example.com"
    found_rule = ecommerce.get(client, STORE, Kind.PROMO_RULE, "r1")
    found_code = ecommerce.get(client, STORE, Kind.PROMO_CODE, "x1", parent="r1")
    assert found_rule is not None
    assert found_rule["amount"] == 0.2
    assert found_code is not None
    assert found_code["usage_count"] == 7
    found = ecommerce.get(client, STORE, Kind.CART, "k1")
    assert found is not None
    assert {each["id"]: each["quantity"] for each in found["lines"]} == {"b": 3, "c": 1}
    assert found["checkout_url"] == "https://shop.test/d"


def replace_code(step: Step) -> Step:
    return replace(step, body={**step.body, "usage_count": 7})


def test_s17_lines_edited_away_are_taken_out_of_the_order(client: MailchimpClient, road: Direct | Batched) -> None:
    road.send(ops(customer(1)))
    road.send(ops(order(1, lines=("l1", "l2", "l3"))))
    assert refusals(road.send(ops(order(1, lines=("l2",))))) == {}
    found = ecommerce.get(client, STORE, Kind.ORDER, "o1")
    assert found is not None
    assert [each["id"] for each in found["lines"]] == ["l2"]


def test_s105_a_variant_that_is_gone_is_hidden_and_its_picture_deleted(
    client: MailchimpClient, road: Direct | Batched
) -> None:
    """Orders name it still, and mails must not propose it; what stands in for a deleted one stays as it is."""
    stand_in = Step(Kind.VARIANT, {**VARIANT, "id": "gone-1", "title": "Old"}, parent="p1", if_missing=True)
    images = [{"id": "i1", "url": "https://shop.test/1.png"}, {"id": "i2", "url": "https://shop.test/2.png"}]
    two = replace(
        PRODUCT, body={**PRODUCT.body, "variants": [VARIANT, {**VARIANT, "id": "v2", "title": "Big"}], "images": images}
    )
    road.send(ops(two))
    road.send(ops(stand_in))
    assert refusals(road.send(ops(replace(PRODUCT, body={**PRODUCT.body, "images": images[1:]})))) == {}
    found = ecommerce.get(client, STORE, Kind.PRODUCT, "p1")
    assert found is not None
    stock = {each["id"]: (each["visibility"], each["inventory_quantity"]) for each in found["variants"]}
    assert stock == {"v1": ("visible", 3), "v2": ("hidden", 0), "gone-1": ("visible", 3)}
    assert [each["id"] for each in found["images"]] == ["i2"]
    before = client.calls.copy()
    ecommerce.write(client, STORE, replace(PRODUCT, body={**PRODUCT.body, "images": images[1:]}))
    assert (client.calls - before).total() == 1  # hidden once is enough


def test_deleting_twice_is_fine(client: MailchimpClient, road: Direct | Batched) -> None:
    road.send(ops(customer(1)))
    road.send(ops(cart(1, 1, lines={"a": 1}), order(1), rule(0.1)))
    road.send(ops(code(1)))
    gone = [
        ecommerce.deletion_of(STORE, Kind.CART, "k1"),
        ecommerce.deletion_of(STORE, Kind.ORDER, "o1"),
        ecommerce.deletion_of(STORE, Kind.PROMO_CODE, "x1", parent="r1"),
    ]
    assert refusals(road.send(gone)) == refusals(road.send(gone)) == {}
    assert ecommerce.get(client, STORE, Kind.CART, "k1") is None
    assert total(client, Kind.ORDER) == 0


def test_a_store_that_is_gone_stops_everything(client: MailchimpClient, road: Direct | Batched) -> None:
    """It is no refusal of a record: all of them are to be written again into a new one."""
    ecommerce.delete_store(client, STORE)
    known: dict[str, PlatformError | None] = {}
    with pytest.raises(StoreGone):
        road.send(ops(*(customer(n) for n in range(5))), known)
    assert known == {}
    assert ecommerce.get_store(client, STORE) is None
    assert ecommerce.delete_store(client, STORE) is False


def test_one_id_twice_in_a_sending_is_our_own_mistake(client: MailchimpClient, road: Direct | Batched) -> None:
    with pytest.raises(ValueError, match="ids of their own"):
        road.send(ops(customer(1), customer(1)))


# ------------------------------------------------------------------ what a trouble leaves


def test_throttled_direct_raises_and_keeps_what_is_known(played: Stage, client: MailchimpClient) -> None:
    rules = [
        {
            "platform": "mailchimp",
            "route": "PUT /ecommerce/stores/{store_id}/customers/{customer_id}",
            "kind": "429",
            "rate": 1,
            "times": 1,
        }
    ]
    known: dict[str, PlatformError | None] = {}
    road = Direct(client, 4)
    played.sandbox.faults(*rules)
    with pytest.raises(RateLimited):
        road.send(ops(*(customer(n) for n in range(50))), known)
    assert len(road.troubled) == 1
    assert set(known.values()) == {None} or known == {}
    rest = [each for each in ops(*(customer(n) for n in range(50))) if each.id not in known]
    assert refusals(road.send(rest, known)) == {}
    assert len(known) == 50
    assert total(client, Kind.CUSTOMER) == 50


def test_stopped_begins_nothing_more(client: MailchimpClient) -> None:
    asked = iter([False] * 6 + [True] * 1000)
    found = Direct(client, 2, stopped=lambda: next(asked)).send(ops(*(customer(n) for n in range(50))))
    assert len(found) == 6 == total(client, Kind.CUSTOMER)


# ------------------------------------------------------------------ batches: killed, lost, slow


def test_a_lost_answer_to_the_batch_is_found_again_and_not_sent_twice(played: Stage, client: MailchimpClient) -> None:
    kept: list[Ticket | None] = []
    road = batched(client, keep=lambda ticket: kept.append(ticket and Ticket.from_json(ticket.as_json())))
    wanted = ops(*(customer(n) for n in range(20)))
    operations.submit(client, wanted, mark="somebody-else")  # of the same size and the same objects
    played.sandbox.faults(
        {"platform": "mailchimp", "route": "POST /batches", "kind": "reset_after", "rate": 1, "times": 1}
    )
    with pytest.raises(Unavailable):
        road.send(wanted)
    played.sandbox.faults()
    (ticket,) = kept
    assert ticket is not None
    assert ticket.batch_id is None
    before = client.calls.copy()
    assert refusals(road.send(wanted, ticket=ticket)) == {}
    assert (client.calls - before)["POST /batches"] == 0
    assert (client.calls - before)["PUT /ecommerce/stores/{store_id}/customers/{customer_id}"] == 0
    assert kept[-1] is None


def test_an_unheard_batch_that_never_came_is_sent_again(client: MailchimpClient) -> None:
    wanted = ops(*(customer(n) for n in range(4)))
    operations.submit(client, ops(customer(9)), mark="another")
    before = client.calls.copy()
    found = batched(client).send(wanted, ticket=Ticket(datetime.now(UTC), "never-sent"))
    assert refusals(found) == {}
    assert len(found) == 4
    assert (client.calls - before)["POST /batches"] == 1


def test_a_successor_goes_on_with_the_batch_of_a_killed_worker(client: MailchimpClient) -> None:
    wanted = ops(*(customer(n) for n in range(10)), customer(11, "nobody"))
    kept: list[Any] = []
    road = batched(client, keep=lambda ticket: kept.append(ticket and ticket.as_json()))
    road.send(wanted)
    stored = kept[1]
    before = client.calls.copy()
    found = batched(client).send(wanted, ticket=Ticket.from_json(stored))
    assert refusals(found) == {"customer:c11": "mc_email_refused"}
    assert len(found) == 11
    assert client.calls - before == {"GET /batches/{batch_id}": 1, "download": 1}


def test_results_that_are_lost_are_had_by_calls_of_their_own(client: MailchimpClient) -> None:
    """A batch that somebody deleted, and results on a host that isn't ours: every operation may be done twice."""
    wanted = ops(*(customer(n) for n in range(3)), customer(11, "nobody"))
    gone = Ticket(datetime.now(UTC), "m", batch_id="0123456789")
    assert refusals(batched(client).send(wanted, ticket=gone)) == {"customer:c11": "mc_email_refused"}
    elsewhere = batched(client, allowed_hosts=frozenset({"storage.example.com"}))
    assert refusals(elsewhere.send(wanted)) == {"customer:c11": "mc_email_refused"}
    assert total(client, Kind.CUSTOMER) == 3


def test_a_slow_batch_is_left_and_come_back_to(new_database: Callable[[], str]) -> None:
    with stage(new_database(), "--people", "1", "--batch-rate", "100") as found:
        client = found.runtime.gateways.mailchimp(found.shop_id)
        with found.database.transaction() as tx:
            connection = connections.get(tx, found.shop_id)
        assert connection is not None
        assert connection.audience_id is not None
        ecommerce.make_store(client, STORE, connection.audience_id, name="Demo", currency_code="EUR")
        wanted = ops(*(customer(n) for n in range(150)))
        road = batched(client, patience=0.1)
        with pytest.raises(Pending) as pending:
            road.send(wanted)
        assert 0 < pending.value.wait <= 30
        ticket, waits = pending.value.ticket, [pending.value.wait]
        while True:
            try:
                outcomes = batched(client, patience=1.0).send(wanted, ticket=ticket)
            except Pending as again:
                waits.append(again.wait)
            else:
                break
        assert outcomes == dict.fromkeys((each.id for each in wanted), None)
        assert waits == sorted(waits)
        assert total(client, Kind.CUSTOMER) == 150


def test_what_does_not_fit_into_one_batch_goes_by_calls_of_its_own(
    client: MailchimpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_BYTES", 500)
    wanted = ops(*(customer(n) for n in range(9)))
    assert 0 < operations.portion(wanted) < 9
    before = client.calls.copy()
    assert batched(client).send(wanted) == dict.fromkeys((each.id for each in wanted), None)
    spent = client.calls - before
    assert spent["POST /batches"] == 1
    alone = 9 - operations.portion(wanted)
    assert spent["PUT /ecommerce/stores/{store_id}/customers/{customer_id}"] == alone
    assert total(client, Kind.CUSTOMER) == 9


def test_an_operation_that_failed_for_now_inside_the_batch_is_done_afterwards(client: MailchimpClient) -> None:
    """Mailchimp's own trouble with one operation is no refusal of it."""
    road, wanted = batched(client), ops(customer(1), customer(2))
    answered = [
        operations.Result("customer:c1", 500, {"title": "Internal Server Error", "status": 500}),
        operations.Result("customer:c2", 200, {}),
    ]
    known: dict[str, PlatformError | None] = {}
    road._finish({each.id: each for each in wanted}, answered, known)
    assert known == {"customer:c1": None, "customer:c2": None}
    assert total(client, Kind.CUSTOMER) == 1


def test_the_roads_agree_on_a_store_whose_audience_was_deleted() -> None:
    """The sentence, not the status, says that the audience is gone."""
    sent = ops(customer(1))[0]
    document = {"title": "Bad Request", "status": 400, "detail": "The list of this store is not active any more."}
    error = operations.outcome(sent, operations.Result(sent.id, 400, document))
    assert error is not None
    assert (error.code, isinstance(error, Rejected)) == ("mc_audience_gone", False)
