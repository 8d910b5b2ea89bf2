"""Which webhooks a shop sends, what is in them, how they are signed, and when Shopify stops sending (shopify.md 3)."""

import base64
import hashlib
import hmac
import json
import re
from urllib.parse import urlencode

import pytest
from shopify_port import APP_URL, DOMAIN, SECRET, SHOPIFY, Api, shared
from webhook_ear import ear, wait_until

from shopchimp.sandbox.courier import Courier
from shopchimp.sandbox.shopify import admin
from shopchimp.sandbox.shopify.announcing import topic_enum
from shopchimp.sandbox.shopify.oauth import SCOPES, AppIdentity
from shopchimp.sandbox.shopify.shop import open_shop
from shopchimp.sandbox.shopify.webhooks import MOST_FAILURES
from shopchimp.sandbox.shopify.wire import Request

SUBSCRIBE = """mutation($t: WebhookSubscriptionTopic!, $w: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $t, webhookSubscription: $w) {
    webhookSubscription { id topic uri name filter includeFields apiVersion { handle } }
    userErrors { field message } } }"""
UPDATE = "mutation($i: CustomerInput!) { customerUpdate(input: $i) { customer { id } userErrors { field message } } }"
EMAIL = """mutation($i: CustomerEmailMarketingConsentUpdateInput!) {
  customerEmailMarketingConsentUpdate(input: $i) { userErrors { message } } }"""
SMS = """mutation($i: CustomerSmsMarketingConsentUpdateInput!) {
  customerSmsMarketingConsentUpdate(input: $i) { userErrors { message } } }"""
ADD = "mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { userErrors { message } } }"
REMOVE = "mutation($id: ID!, $tags: [String!]!) { tagsRemove(id: $id, tags: $tags) { userErrors { message } } }"
DELETE = "mutation($i: CustomerDeleteInput!) { customerDelete(input: $i) { deletedCustomerId userErrors { message } } }"
SUBSCRIBED = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
TOPICS = (
    "customers/create",
    "customers/update",
    "customers/delete",
    "customers/merge",
    "customers_email_marketing_consent/update",
    "customers_marketing_consent/update",
    "customer.tags_added",
    "customer.tags_removed",
    "app/uninstalled",
)
HOME = {"address1": "1 Oak Street", "city": "Springfield", "provinceCode": "IL", "countryCode": "US", "zip": "62701"}


class Shop(Api):
    """A shop whose webhooks are heard."""

    def __init__(self, app):
        super().__init__(scopes=(*SCOPES.split(","), "read_customer_merge"))
        self.ear = app
        self.courier = Courier(retry_scale=0)

    def subscribe(self, *topics, **settings):
        made = [self(SUBSCRIBE, t=topic_enum(topic), w={"uri": f"{self.ear.url}/hook", **settings}) for topic in topics]
        assert [each["userErrors"] for each in made] == [[]] * len(topics)
        self.sandbox.courier = self.courier
        return [each["webhookSubscription"]["id"] for each in made]

    def heard(self):
        """All that was sent, in the order of arrival, once nothing is on its way."""
        wait_until(lambda: self.courier.report()["shopify"]["waiting"] == 0, "all webhooks to arrive")
        found = list(self.ear.heard)
        self.ear.heard.clear()
        return found

    def topics(self):
        return sorted(each.topic for each in self.heard())

    def one(self):
        (found,) = self.heard()
        return found

    def edit(self, **change):
        return self.sandbox.edit(change)


@pytest.fixture
def shop():
    with ear() as app:
        made = Shop(app)
        yield made
        made.courier.close()


@pytest.fixture
def ann(shop):
    return shop.customer(email="ann@example.com", phone="+12025550101", firstName="Ann")


def keys(value):
    """The shape of a payload: names all the way down, a list by its first element."""
    if isinstance(value, dict):
        return {name: keys(inside) for name, inside in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def example(topic):
    return json.loads(shared(SHOPIFY / f"webhooks/{topic.replace('/', '_')}.json").read_text())


def numbered(gid):
    return int(gid.rpartition("/")[2])


def test_headers_name_shop_topic_and_time_and_the_body_is_signed(shop, ann):
    shop.subscribe("customers/update", name="live-sync")
    shop.clock.at += 0.25
    shop(UPDATE, i={"id": ann, "firstName": "Anna"})
    heard = shop.one()
    expected = base64.b64encode(hmac.digest(SECRET.encode(), heard.body, hashlib.sha256)).decode()
    assert heard.headers["x-shopify-hmac-sha256"] == expected
    assert heard.headers["x-shopify-topic"] == "customers/update"
    assert heard.headers["x-shopify-shop-domain"] == DOMAIN
    assert heard.headers["x-shopify-api-version"] == "2026-10"
    assert heard.headers["x-shopify-name"] == "live-sync"
    assert heard.headers["x-shopify-triggered-at"] == "2026-11-18T11:06:40.250Z"
    assert re.fullmatch(r"[0-9a-f-]{36}", heard.headers["x-shopify-webhook-id"])
    assert re.fullmatch(r"[0-9a-f-]{36}", heard.headers["x-shopify-event-id"])
    assert heard.headers["content-type"] == "application/json"


def test_every_payload_has_the_keys_of_its_example(shop):
    shop.subscribe(*TOPICS)
    shop.edit(email="bob@example.com", set={"firstName": "Bob", "address": HOME, "phone": "+12025550102"})
    shop.edit(email="bob@example.com", set={"lastName": "Baker"})
    shop.edit(email="bob@example.com", set={"marketingState": "SUBSCRIBED"})
    shop.edit(email="bob@example.com", set={"smsMarketingState": "SUBSCRIBED"})
    shop.edit(email="bob@example.com", set={"tags_add": ["vip"]})
    shop.edit(email="bob@example.com", set={"tags_remove": ["vip"]})
    shop.edit(email="other@example.com")
    shop.edit(email="other@example.com", merge_into="bob@example.com")
    shop.shop.uninstall()
    heard = {}
    for each in shop.heard():
        heard.setdefault(each.topic, []).append(each.content)
    assert set(heard) == set(TOPICS)
    heard["customers/create"] = [each for each in heard["customers/create"] if each["addresses"]]
    for topic, contents in heard.items():
        wanted, got = keys(example(topic)), keys(contents[0])
        if topic == "customers/create":  # the example is of a customer whose address is no list entry yet
            got["addresses"] = None
        if topic == "customers/merge":  # the example is of a merge that failed
            wanted["errors"] = None
        assert got == wanted, topic


def test_each_write_of_the_app_comes_back_to_it(shop, ann):
    shop.subscribe(*TOPICS)
    gid = shop.customer(email="new@example.com", firstName="New", tags=["a"], emailMarketingConsent=SUBSCRIBED)
    created = shop.one()
    assert (created.topic, created.content["first_name"]) == ("customers/create", "New")
    assert (created.content["id"], created.content["email"]) == (numbered(gid), "new@example.com")
    shop(EMAIL, i={"customerId": ann, "emailMarketingConsent": SUBSCRIBED})
    consent = shop.one()
    assert consent.topic == "customers_email_marketing_consent/update"
    assert consent.content == {
        "customer_id": numbered(ann),
        "email_address": "ann@example.com",
        "email_marketing_consent": {
            "state": "subscribed",
            "opt_in_level": "single_opt_in",
            "consent_updated_at": "2026-11-18T06:06:40-05:00",
        },
    }
    shop(SMS, i={"customerId": ann, "smsMarketingConsent": SUBSCRIBED})
    sms = shop.one()
    assert (sms.topic, sms.content["id"]) == ("customers_marketing_consent/update", numbered(ann))
    assert sms.content["sms_marketing_consent"]["state"] == "subscribed"
    shop(ADD, id=ann, tags=["vip", "gold"])
    added = shop.one().content
    assert (added["customerId"], added["tags"], added["occurredAt"]) == (
        ann,
        ["gold", "vip"],
        "2026-11-18T11:06:40.000Z",
    )
    shop(REMOVE, id=ann, tags=["VIP", "unknown"])
    removed = shop.one()
    assert (removed.topic, removed.content["tags"]) == ("customer.tags_removed", ["vip"])
    shop(DELETE, i={"id": gid})
    assert shop.one().content == {"id": numbered(gid), "tax_exemptions": [], "admin_graphql_api_id": gid}


def test_what_changes_nothing_tells_nobody(shop, ann):
    shop.subscribe(*TOPICS)
    shop(UPDATE, i={"id": ann, "firstName": "Ann", "email": "ann@example.com"})
    shop(ADD, id=ann, tags=[])
    shop(REMOVE, id=ann, tags=["vip"])
    shop(EMAIL, i={"customerId": ann, "emailMarketingConsent": SUBSCRIBED})
    shop(EMAIL, i={"customerId": ann, "emailMarketingConsent": SUBSCRIBED})
    shop.edit(email="ann@example.com", set={"firstName": "Ann"})
    assert shop.topics() == ["customers_email_marketing_consent/update"]


def test_topics_of_one_action_share_their_event_and_no_delivery_its_id(shop, ann):
    shop.subscribe(*TOPICS)
    shop.edit(email="ann@example.com", set={"firstName": "Anna", "tags": ["x"], "marketingState": "SUBSCRIBED"})
    one = shop.heard()
    shop.edit(email="ann@example.com", set={"firstName": "Anne"})
    (two,) = shop.heard()
    assert len(one) == 3
    events = {each.headers["x-shopify-event-id"] for each in one}
    assert len(events) == 1
    assert two.headers["x-shopify-event-id"] not in events
    assert len({each.headers["x-shopify-webhook-id"] for each in [*one, two]}) == 4


def test_retries_and_doubles_are_the_same_delivery(shop, ann):
    shop.subscribe("customers/update")
    answers = iter([500, 200])
    shop.ear.status = lambda _: next(answers, 200)
    shop(UPDATE, i={"id": ann, "firstName": "Anna"})
    first, again = shop.heard()
    assert (first.headers, first.body) == (again.headers, again.body)
    shop.courier.change({"double": 1})
    shop(UPDATE, i={"id": ann, "firstName": "Anne"})
    one, two = shop.heard()
    assert (one.headers, one.body) == (two.headers, two.body)
    assert one.headers["x-shopify-webhook-id"] != first.headers["x-shopify-webhook-id"]


def test_only_chosen_fields_are_sent(shop, ann):
    shop.subscribe("customers/update", includeFields=["id", "updated_at", "default_address.city"])
    shop.edit(email="ann@example.com", set={"address": HOME})
    assert shop.one().content == {
        "id": numbered(ann),
        "updated_at": "2026-11-18T06:06:40-05:00",
        "default_address": {"city": "Springfield"},
    }


def test_a_filter_keeps_others_out(shop, ann):
    other = shop.customer(email="other@example.com")
    shop.subscribe("customers/update", filter=f"id:>{numbered(ann)}")
    for gid in (ann, other):
        shop(UPDATE, i={"id": gid, "firstName": "New"})
    assert shop.one().content["id"] == numbered(other)


def test_eight_deliveries_in_vain_end_a_subscription(shop, ann):
    (kept,) = shop.subscribe("customers/update")

    def fail(times):
        shop.ear.status = 500
        for number in range(times):
            shop(UPDATE, i={"id": ann, "firstName": f"Ann {number} {times}"})
        shop.heard()

    fail(MOST_FAILURES - 1)
    shop.ear.status = 200
    shop(UPDATE, i={"id": ann, "firstName": "Heard"})
    shop.heard()
    fail(MOST_FAILURES - 1)  # a success in between begins the count anew
    assert shop.shop.webhooks.get(kept) is not None
    fail(1)
    assert shop.shop.webhooks.get(kept) is None
    shop(UPDATE, i={"id": ann, "firstName": "Unheard"})
    assert shop.heard() == []


def test_the_merchant_and_the_app_are_heard_alike(shop, ann):
    shop.subscribe(*TOPICS)
    path = f"/store/demo-store/customers/{numbered(ann)}"
    body = urlencode({"marketingState": "UNSUBSCRIBED", "tags": "vip, gold"}).encode()
    admin.page(shop.sandbox.shops, shop.app, Request("POST", path, b"", {}, body, shop.clock.at))
    assert shop.topics() == ["customer.tags_added", "customers_email_marketing_consent/update"]


def test_uninstalling_is_told_to_subscribers_and_to_the_app(shop):
    shop.shop.app = AppIdentity("key", SECRET, f"{shop.ear.url}/base/")
    shop.subscribe("app/uninstalled")
    token = shop.exchange()["access_token"]
    reply = shop.sandbox._respond(Request("POST", "/_sandbox/uninstall", b"", {}, b"{}", shop.clock.at))
    assert reply[0] == 200
    assert shop.shop.tokens.used(token) is None
    heard = shop.heard()
    assert sorted(each.path for each in heard) == ["/base/webhooks/shopify", "/hook"]
    assert {each.content["myshopify_domain"] for each in heard} == {DOMAIN}
    assert shop.shop.webhooks.by_number == {}


@pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
def test_compliance_topics_go_to_the_app(shop, ann, topic):
    shop.shop.app = AppIdentity("key", SECRET, shop.ear.url)
    shop.sandbox.courier = shop.courier
    body = json.dumps({"topic": topic, "email": "ann@example.com"}).encode()
    status, _, content = shop.sandbox._respond(Request("POST", "/_sandbox/compliance", b"", {}, body, shop.clock.at))
    assert status == 200, content
    heard = shop.one()
    assert (heard.path, heard.topic) == ("/webhooks/shopify/compliance", topic)
    assert keys(heard.content) == keys(example(topic))
    if topic != "shop/redact":
        assert heard.content["customer"] == {"id": numbered(ann), "email": "ann@example.com", "phone": "+12025550101"}


def test_compliance_knows_somebody_who_is_gone_by_what_is_given(shop):
    shop.shop.app = AppIdentity("key", SECRET, shop.ear.url)
    shop.sandbox.courier = shop.courier
    shop.shop.announcer.compliance({"topic": "customers/redact", "customer_id": 77, "email": "gone@example.com"})
    assert shop.one().content["customer"] == {"id": 77, "email": "gone@example.com"}
    with pytest.raises(ValueError, match="topic must be one of"):
        shop.shop.announcer.compliance({"topic": "customers/erase"})


@pytest.mark.parametrize(
    ("topic", "uri", "message"),
    [
        ("CUSTOMERS_UPDATE", "http://app.example.com/hook", "Address protocol http:// is not supported"),
        ("CUSTOMERS_UPDATE", "ftp://app.example.com/hook", "Address is invalid"),
        ("CUSTOMERS_UPDATE", "http://127.0.0.1:99999/hook", "Address is invalid"),
        ("CUSTOMERS_MERGE", f"{APP_URL}/hook", "You do not have permission"),
    ],
)
def test_addresses_and_topics_that_are_refused(topic, uri, message):
    made = Api()(SUBSCRIBE, t=topic, w={"uri": uri})
    assert made["webhookSubscription"] is None
    assert message in made["userErrors"][0]["message"]


def test_subscriptions_are_listed_by_topic_and_address_in_pages(shop):
    shop.subscribe("customers/create", "customers/update", "customers/delete")
    listing = """query($f: Int!, $a: String, $t: [WebhookSubscriptionTopic!], $u: String) {
      webhookSubscriptions(first: $f, after: $a, topics: $t, uri: $u) {
        nodes { topic uri } pageInfo { hasNextPage endCursor } } }"""
    first = shop(listing, f=2)
    rest = shop(listing, f=2, a=first["pageInfo"]["endCursor"])
    found = [each["topic"] for each in (*first["nodes"], *rest["nodes"])]
    assert found == ["CUSTOMERS_CREATE", "CUSTOMERS_UPDATE", "CUSTOMERS_DELETE"]
    assert rest["pageInfo"]["hasNextPage"] is False
    assert len(shop(listing, f=5, t=["CUSTOMERS_UPDATE"])["nodes"]) == 1
    assert shop(listing, f=5, u="https://elsewhere.example.com")["nodes"] == []


def test_without_a_courier_nothing_is_sent_and_nothing_fails():
    alone = open_shop(DOMAIN, AppIdentity("key", SECRET, APP_URL), clock=lambda: 1.0)
    alone.uninstall()
