"""Campaigns and their reports: who got them, and what people and machines did (mailchimp.md 6 and 9)."""

import gzip
import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from jsonschema import Draft4Validator, FormatChecker
from mailchimp_port import Api
from shopify_port import SHARED, shared

from shopchimp.sandbox.mailchimp import campaigns
from shopchimp.sandbox.mailchimp.audience import digest_of
from shopchimp.sandbox.mailchimp.campaign_routes import ROUTES
from shopchimp.sandbox.mailchimp.commerce_routes import ROUTES as COMMERCE
from shopchimp.sandbox.mailchimp.described import described

MAILCHIMP = SHARED / "contracts/mailchimp"
SENT = "2026-11-18T10:00:00+00:00"
LATER = "2026-11-18T10:30:00+00:00"
MUG = "https://shop.example.com/products/blue-mug"
NEW = "https://shop.example.com/collections/new"


class Mailings(Api):
    """Somebody who sends, and people who read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("ana", "bo", "cleo", "dan"):
            self.add(f"{name}@example.com", merge_fields={"FNAME": name.title()})
        self.add("none@example.com", "transactional")

    def edit(self, **change: Any) -> dict[str, Any]:
        return dict(self.sandbox.edit(change))

    def send(self, **about: Any) -> str:
        """A campaign to all who are subscribed."""
        return str(self.edit(campaign={"title": "November news", "at": SENT, **about})["id"])

    def does(self, name: str, do: str = "open", **more: Any) -> None:
        self.edit(activity={"do": do, "email": f"{name}@example.com", "at": LATER, **more})

    def read(self, path: str, **query: Any) -> Any:
        answer = self("GET", path, **query)
        assert answer.status == 200, answer.json
        return answer.json

    def acted(self, campaign: str, **query: Any) -> dict[str, list[str]]:
        """What email-activity says, by first name."""
        rows = self.read(f"/reports/{campaign}/email-activity", count=1000, **query)["emails"]
        return {each["email_address"].split("@")[0]: [act["action"] for act in each["activity"]] for each in rows}


@pytest.fixture
def api() -> Mailings:
    return Mailings()


# Sending


def test_a_campaign_goes_to_who_is_subscribed(api: Mailings) -> None:
    sent = api.send()
    rows = api.read(f"/reports/{sent}/sent-to")
    assert [each["email_address"] for each in rows["sent_to"]] == [
        f"{name}@example.com" for name in ("ana", "bo", "cleo", "dan")
    ]
    assert rows["total_items"] == 4
    assert {each["status"] for each in rows["sent_to"]} == {"sent"}
    assert rows["sent_to"][0]["merge_fields"]["FNAME"] == "Ana"
    api.add("late@example.com")
    assert api.read(f"/reports/{sent}/sent-to")["total_items"] == 4
    some = api.send(to=["bo@example.com", "none@example.com"])
    assert api.read(f"/reports/{some}/sent-to", fields="sent_to.email_address,total_items") == {
        "sent_to": [{"email_address": "bo@example.com"}],
        "total_items": 1,
    }
    api.send(id=some, to=["late@example.com", "bo@example.com"])  # by time zone: it already counts as sent
    assert api.read(f"/campaigns/{some}")["emails_sent"] == 2
    assert api.read(f"/reports/{some}/sent-to/late@example.com")["status"] == "sent"
    assert api("GET", f"/reports/{some}/sent-to/ana@example.com").status == 404


def test_campaigns_are_found_by_when_and_what(api: Mailings) -> None:
    old, new = api.send(at="2026-11-10T10:00:00+00:00"), api.send(at=SENT)
    draft = api.edit(campaign={"title": "Not yet", "draft": True, "at": SENT})["id"]
    other = api.send(audience="Wholesale", type="plaintext")

    def found(**query: Any) -> list[str]:
        return [each["id"] for each in api.read("/campaigns", **query)["campaigns"]]

    assert found() == [old, new, draft, other]
    assert found(status="sent", list_id=api.list_id) == [old, new]
    assert found(status="save") == [draft]
    assert found(type="plaintext") == [other]
    newest_first = {"sort_field": "send_time", "sort_dir": "DESC"}
    assert found(status="sent", list_id=api.list_id, **newest_first) == [new, old]
    assert found(since_send_time="2026-11-10T10:00:00+00:00", list_id=api.list_id) == [new]
    assert found(before_send_time=SENT) == [old]
    assert found(count=1, offset=1) == [new]
    assert found(member_id=api.member("ana@example.com")["id"]) == [old, new]
    assert api("GET", f"/reports/{draft}").status == 404
    assert api.send(id=draft) == draft
    assert found(status="save") == []
    assert [each["id"] for each in api.read("/reports", since_send_time="2026-11-15T00:00:00Z")["reports"]] == [
        new,
        draft,
        other,
    ]


def test_one_that_is_still_going_out_and_one_that_is_deleted(api: Mailings) -> None:
    sent = api.send(sending=True, to=["ana@example.com"])
    assert api.read("/campaigns", status="sent")["campaigns"] == []
    assert api.read(f"/reports/{sent}")["emails_sent"] == 1
    api.send(id=sent)
    assert [each["emails_sent"] for each in api.read("/campaigns", status="sent")["campaigns"]] == [4]
    stats = api.read(api.list)["stats"]
    assert (stats["campaign_count"], stats["campaign_last_sent"]) == (1, SENT)
    api.edit(campaign={"id": sent, "delete": True})
    assert {api("GET", f"{path}/{sent}").status for path in ("/campaigns", "/reports")} == {404}
    assert api.read("/reports")["total_items"] == 0
    assert api.send() != sent  # an id is never given again


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/campaigns", {"status": "done"}),
        ("/campaigns", {"since": SENT}),
        ("/campaigns", {"since_send_time": "yesterday"}),
        ("/reports", {"list_id": "x"}),
        ("/reports/{id}/sent-to", {"since": SENT}),
        ("/reports/{id}/email-activity", {"filter_bots": "yes"}),
        ("/reports/{id}/email-activity", {"count": "1001"}),
        ("/reports/{id}/sent-to", {"fields": "sent_to.name"}),
        ("/sms-campaigns", {"since_send_time": SENT}),
    ],
)
def test_what_is_not_described_is_refused(api: Mailings, path: str, query: dict[str, str]) -> None:
    assert api("GET", path.format(id=api.send()), **query).status == 400


# Opens and clicks


def test_machines_count_in_figures_and_are_dropped_on_request(api: Mailings) -> None:
    sent = api.send()
    api.does("ana")
    api.does("ana", "click", url=MUG)
    api.does("bo", by="proxy")
    api.does("cleo", by="bot")
    api.does("cleo", "click", by="bot", url=MUG)
    report = api.read(f"/reports/{sent}")
    assert report["opens"] == {"opens_total": 3, "unique_opens": 3, "open_rate": 0.75, "last_open": LATER}
    assert report["clicks"] == {
        "clicks_total": 2,
        "unique_clicks": 2,
        "unique_subscriber_clicks": 2,
        "click_rate": 0.5,
        "last_click": LATER,
    }
    assert api.acted(sent) == {"ana": ["open", "click"], "bo": ["open"], "cleo": ["open", "click"], "dan": []}
    assert api.acted(sent, filter_bots="true") == {"ana": ["open", "click"], "bo": [], "cleo": [], "dan": []}
    opens = api.read(f"/reports/{sent}/open-details")
    assert (opens["total_opens"], opens["total_proxy_excluded_opens"], opens["total_items"]) == (3, 2, 3)
    assert [each["opens"][0]["is_proxy_open"] for each in opens["members"]] == [False, True, False]
    links = api.read(f"/reports/{sent}/click-details", filter_bots="true", sort_field="total_clicks", sort_dir="DESC")
    assert [(each["url"], each["total_clicks"]) for each in links["urls_clicked"]] == [(MUG, 1), (NEW, 0)]
    link = links["urls_clicked"][0]["id"]
    assert api.read(f"/reports/{sent}/click-details/{link}")["unique_clicks"] == 2
    who = api.read(f"/reports/{sent}/click-details/{link}/members")["members"]
    assert [(each["email_address"], each["clicks"]) for each in who] == [
        ("ana@example.com", 1),
        ("cleo@example.com", 1),
    ]


def test_since_narrows_to_whom_something_newer_happened(api: Mailings) -> None:
    sent = api.send()
    api.does("ana", at="2026-11-18T10:10:00+00:00")
    api.does("bo")
    api.does("cleo", by="proxy")
    assert api.acted(sent, since="2026-11-18T10:10:00+00:00") == {"bo": ["open"], "cleo": ["open"]}
    assert api.acted(sent, since="2026-11-18T10:10:00Z", filter_bots="true") == {"bo": ["open"], "cleo": []}
    assert api.acted(sent, since=LATER) == {}
    api.does("ana")  # found again after a page was read
    assert api.acted(sent, since="2026-11-18T10:10:00+00:00")["ana"] == ["open"]
    api.edit(settings={"idle_rows": True})
    assert api.acted(sent, since=LATER) == {"ana": [], "bo": [], "cleo": [], "dan": []}


def test_a_thousand_opens_of_one_contact_are_kept(api: Mailings) -> None:
    sent = api.send()
    for _ in range(1001):
        api.does("ana")
    api.does("ana", "click", url=MUG)
    shown = api.read(f"/reports/{sent}/email-activity/ana@example.com")["activity"]
    assert [each["action"] for each in shown].count("open") == 1000
    assert len(shown) == 1001
    assert api.read(f"/reports/{sent}")["opens"]["opens_total"] == 1001


def test_bounces_clean_and_links_unsubscribe(api: Mailings) -> None:
    sent = api.send()
    api.does("ana", "bounce")
    api.does("bo", "bounce", kind="soft")
    api.does("cleo", "unsubscribe")
    api.does("dan", "abuse")
    rows = api.read(f"/reports/{sent}/sent-to")["sent_to"]
    assert [each["status"] for each in rows] == ["hard", "soft", "sent", "sent"]
    statuses = [api.member(f"{name}@example.com")["status"] for name in ("ana", "bo", "cleo", "dan")]
    assert statuses == ["cleaned", "subscribed", "unsubscribed", "unsubscribed"]
    report = api.read(f"/reports/{sent}")
    assert report["bounces"] == {"hard_bounces": 1, "soft_bounces": 1, "syntax_errors": 0}
    assert (report["unsubscribed"], report["abuse_reports"]) == (1, 1)
    assert [each["email_address"] for each in api.read(f"/reports/{sent}/unsubscribed")["unsubscribes"]] == [
        "cleo@example.com",
        "dan@example.com",
    ]
    assert api.acted(sent) == {"ana": ["bounce"], "bo": ["bounce"], "cleo": [], "dan": []}


def test_a_deleted_contact_stays_in_the_sums_without_an_address(api: Mailings) -> None:
    sent = api.send()
    api.does("ana")
    gone = api.member("ana@example.com")["id"]
    api("POST", f"{api.list}/members/{gone}/actions/delete-permanent")
    row = api.read(f"/reports/{sent}/sent-to")["sent_to"][0]
    assert (row["email_id"], row["email_address"]) == (gone, f"{gone}@forgotten.mailchimp.com")
    api.edit(activity={"do": "unsubscribe", "share": 1, "campaign": sent})
    assert api("GET", f"{api.list}/members/{gone}").status == 404


def test_a_share_of_the_recipients_is_drawn_alike_each_time(api: Mailings) -> None:
    drawn = []
    for _ in range(2):
        campaign = api.send(id="cb398d21d2")
        acted = api.edit(activity={"do": "open", "campaign": campaign, "share": 0.5, "at": SENT, "spread": 600})
        drawn.append(acted["emails"])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 2
    times = {
        act["timestamp"]
        for each in api.read(f"/reports/{campaign}/email-activity")["emails"]
        for act in each["activity"]
    }
    assert all(SENT <= each <= "2026-11-18T10:10:00+00:00" for each in times)
    for wrong in ({"do": "sleep"}, {"do": "click", "by": "proxy"}, {"do": "open", "email": "who@example.com"}):
        with pytest.raises((ValueError, LookupError)):
            api.edit(activity={"campaign": campaign, **wrong})


# SMS, and one contact's own activity


def test_texts_show_in_the_feed_of_those_who_got_them(api: Mailings) -> None:
    api.edit(email="ana@example.com", sms={"status": "subscribed", "phone": "+14045550123"})
    api.edit(email="bo@example.com", sms={"status": "unsubscribed", "phone": "+14045550124"})
    sent = api.edit(sms_campaign={"name": "Early access text", "at": SENT})
    assert sent["recipients"] == 1
    (shown,) = api.read("/sms-campaigns", count=100)["sms_campaigns"]
    assert (shown["id"], shown["status"], shown["send_time"], shown["recipient_count"]) == (sent["id"], "sent", SENT, 1)
    assert api.read(f"/sms-campaigns/{sent['id']}")["name"] == "Early access text"
    item = {"activity_type": "sms_bulk_sent", "created_at_timestamp": SENT}
    about = {"campaign_id": sent["id"], "campaign_title": "Early access text"}
    feeds = [f"{api.list}/members/{name}@example.com/activity-feed" for name in ("ana", "bo")]
    assert [api.read(each, activity_filters="sms_bulk_sent,order")["activity"] for each in feeds] == [
        [{**item, **about}],
        [],
    ]


def test_the_feed_has_everything_newest_first(api: Mailings) -> None:
    sent, path = api.send(), f"{api.list}/members/ana@example.com"
    api.does("ana")
    api.does("ana", "click", url=MUG, at="2026-11-18T10:31:00+00:00")
    viewed = {"name": "product_viewed", "properties": {"price": "18.50"}, "occurred_at": "2026-11-18T10:32:00+00:00"}
    api("POST", f"{path}/events", viewed)
    feed = api.read(f"{path}/activity-feed", count=50)
    assert [each["activity_type"] for each in feed["activity"]] == ["event", "click", "open", "sent"]
    assert feed["activity"][1]["link_clicked"] == MUG
    assert feed["email_id"] == api.member("ana@example.com")["id"]
    assert [each["activity_type"] for each in api.read(f"{path}/activity-feed", count=1, offset=3)["activity"]] == [
        "sent"
    ]
    assert api("GET", f"{path}/activity-feed", activity_filters="sms").status == 400
    old = api.read(f"{path}/activity", action="open,click")
    assert [(each["action"], each["campaign_id"]) for each in old["activity"]] == [("click", sent), ("open", sent)]


# Pages


class Pages(Mailings):
    """The pages of campaigns, and their buttons by their labels."""

    here = "/campaigns"

    def shown(self, path: str = "") -> str:
        answer = self("GET", path or self.here, root="")
        assert answer.status == 200, answer.content
        return unescape(answer.content.decode())

    def press(self, label: str, **fields: str) -> int:
        (do,) = re.findall(rf'<button name="do" value="(\w+)">{re.escape(label)}</button>', self.shown())
        return self("POST", self.here, urlencode({**fields, "do": do}).encode(), root="").status


def _form(api: Pages, **fields: str) -> int:
    return api("POST", api.here, urlencode(fields).encode(), root="").status


def test_a_campaign_is_sent_and_read_on_the_pages() -> None:
    api = Pages()
    assert 'href="/campaigns"' in api.shown("/")
    assert api.press("Send to all subscribed", title="Sale & more", link=MUG, audience=api.list_id) == 303
    ((path, sent),) = re.findall(r'href="(/campaigns/(\w+))"', api.shown())
    api.here = path
    assert _form(api, do="open", email="ana@example.com") == 303
    assert api.press("Click the link", email="ana@example.com", url=MUG) == 303
    assert api.press("Let Apple's proxy open it", email="bo@example.com") == 303
    assert api.press("Let a scanner click it", email="cleo@example.com", url=MUG) == 303
    assert api.press("Unsubscribe by its link", email="dan@example.com") == 303
    assert api.press("Report as spam", email="none@example.com") == 400  # was no recipient
    assert api.acted(sent) == {"ana": ["open", "click"], "bo": ["open"], "cleo": ["click"], "dan": []}
    assert api.acted(sent, filter_bots="true") == {"ana": ["open", "click"], "bo": [], "cleo": [], "dan": []}
    page = api.shown()
    assert "Sale & more" in page
    assert "2, 1 of them themselves" in page
    assert api.member("dan@example.com")["status"] == "unsubscribed"
    contact = api.shown(f"/contacts/{api.list_id}/ana@example.com")
    assert f'click: <a href="{path}">Sale & more</a> {MUG}' in contact
    api("POST", f"{api.list}/members/ana@example.com/events", {"name": "product_viewed", "properties": {"a": "<b>"}})
    assert b"Event <b>product_viewed</b> a: &lt;b&gt;" in api("GET", f"/contacts/{api.list_id}/ana@example.com").content


def test_texts_and_crowds_on_the_pages() -> None:
    api = Pages()
    api.edit(email="ana@example.com", sms={"status": "subscribed", "phone": "+14045550123"})
    assert api.press("Send to all SMS subscribers", title="Early access", audience=api.list_id) == 303
    assert api.read("/sms-campaigns")["sms_campaigns"][0]["name"] == "Early access"
    sent = api.send()
    api.here = f"/campaigns/{sent}"
    (many,) = re.findall(r'aria-label="As many">(.*?)</form>', api.shown())
    assert re.findall(r'value="(many_\w+)"', many) == ["many_open", "many_click"]
    for do in ("many_open", "many_click"):
        assert _form(api, do=do, percent="50") == 303
    assert sorted(each for acts in api.acted(sent).values() for each in acts) == ["click"] * 2 + ["open"] * 2
    assert api("GET", "/campaigns/none", root="").status == 404
    assert api("POST", "/campaigns/none", b"do=open", root="").status == 404


# The contract


def test_every_described_call_about_campaigns_has_a_route() -> None:
    assert set(ROUTES) == set(described()) - set(COMMERCE)


def test_answers_hold_the_description(api: Mailings) -> None:
    with gzip.open(shared(MAILCHIMP / "marketing-3.0.json.gz"), "rt") as file:
        contract = json.load(file)
    api.edit(email="ana@example.com", sms={"status": "subscribed", "phone": "+14045550123"})
    text, sent = api.edit(sms_campaign={})["id"], api.send()
    api.does("ana")
    api.does("ana", "click", url=MUG)
    api.does("bo", "bounce", kind="soft")
    api.does("cleo", "unsubscribe")
    api.does("dan", by="proxy")
    api("POST", f"{api.list}/members/ana@example.com/events", {"name": "viewed", "properties": {"a": "b"}})
    link = api.read(f"/reports/{sent}/click-details")["urls_clicked"][0]["id"]
    names = {
        "list_id": api.list_id,
        "subscriber_hash": api.member("ana@example.com")["id"],
        "campaign_id": sent,
        "link_id": link,
        "sms_campaign_id": text,
    }
    seen = 0
    for method, template in (line.split() for line in ROUTES):
        if method != "GET":
            continue
        answer = api.read(template.format(**names))
        assert answer
        schema = contract["paths"][template]["get"]["responses"]["200"]["schema"]
        checker = Draft4Validator(
            closed({**schema, "definitions": contract["definitions"]}), format_checker=FormatChecker(formats=())
        )
        wrong = [f"{list(e.absolute_path)}: {e.message}" for e in checker.iter_errors(answer)]
        assert not wrong, (template, wrong)
        seen += 1
    assert seen == len(ROUTES) - 1
    feed = contract["paths"]["/lists/{list_id}/members/{subscriber_hash}/activity-feed"]["get"]
    kinds = feed["responses"]["200"]["schema"]["properties"]["activity"]["items"]["x-oneOf"]
    for name in ("ana", "bo", "cleo"):
        for item in api.read(f"{api.list}/members/{name}@example.com/activity-feed", count=100)["activity"]:
            (kind,) = [each for each in kinds if each["properties"]["activity_type"]["enum"] == [item["activity_type"]]]
            Draft4Validator(closed(kind)).validate(item)


def closed(schema: Any) -> Any:
    """The description, with nothing allowed beside what it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    if isinstance(inner.get("properties"), dict) and inner.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner


@pytest.mark.parametrize(
    "name",
    ["campaigns-list-sent-since", "report-email-activity", "report-sent-to", "sms-campaigns-list", "activity-feed-get"],
)
def test_the_examples_are_answered_as_they_show(api: Mailings, name: str) -> None:
    """With all the names that the example has, in each of its rows."""
    told = json.loads(shared(MAILCHIMP / "examples" / f"{name}.json").read_text())
    api.edit(email="ana@example.com", sms={"status": "subscribed", "phone": "+14045550123"})
    sent = api.send(at="2026-11-18T09:00:00+00:00")
    api.edit(sms_campaign={"name": "Early access text"})
    api.does("ana", url=MUG)
    api.does("ana", "click", url=MUG)
    path = told["request"]["path"].removeprefix("/3.0").replace("cb398d21d2", sent).replace("a1b2c3d4e5", api.list_id)
    path = path.replace("3731f67f02f9c3daec9a33047d59e268", api.member("ana@example.com")["id"])
    query = {**told["request"]["query"]}
    query |= {"list_id": api.list_id} if "list_id" in query else {}
    query |= {"since": SENT} if "since" in query else {}
    answer = api.read(path, **query)
    assert names_in(told["response"]["body"]) <= names_in(answer)


def names_in(value: Any, path: str = "") -> set[str]:
    if isinstance(value, list):
        return {name for each in value for name in names_in(each, path)}
    if not isinstance(value, dict):
        return set()
    return {f"{path}.{name}" for name in value} | {
        inner for name, each in value.items() for inner in names_in(each, f"{path}.{name}")
    }


# Many


def test_a_page_looks_at_its_own_recipients_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fifty thousand as of three: what a page costs is counted, not timed."""
    api, looks = Api(), list[int]()
    audience, real = api.sandbox.account.named("Newsletter"), campaigns.Campaign.acts_of
    for number in range(3000):
        email = f"p{number}@example.com"
        audience.add(email, "subscribed", digest_of(email))
    sent = api.sandbox.edit({"campaign": {"at": SENT}})["id"]
    api.sandbox.edit({"activity": {"do": "open", "share": 0.4, "at": LATER}})

    def counted(campaign: campaigns.Campaign, place: int, **more: Any) -> Any:
        looks.append(place)
        return real(campaign, place, **more)

    monkeypatch.setattr(campaigns.Campaign, "acts_of", counted)
    for query in ({}, {"since": SENT}, {"since": SENT, "filter_bots": "true"}):
        looks.clear()
        assert len(api("GET", f"/reports/{sent}/email-activity", count=100, offset=600, **query).json["emails"]) == 100
        assert len(looks) == 100
