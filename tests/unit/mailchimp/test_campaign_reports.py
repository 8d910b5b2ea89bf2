"""The calls about campaigns: what is asked, and what is made of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import reports
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.reports import Report, SentCampaign, SmsCampaign

ROOT = "https://us6.api.mailchimp.com"
SINCE = datetime(2026, 11, 15, tzinfo=UTC)
SENT = datetime(2026, 11, 18, 15, tzinfo=UTC)
ANA = "3731f67f02f9c3daec9a33047d59e268"

Answers = Callable[[str], dict[str, Any]]


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT, token="t")


@pytest.fixture
def answers(shared: Callable[[str], Path]) -> Answers:
    def read(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(shared(f"contracts/mailchimp/examples/{name}.json").read_text())
        return dict(found["response"]["body"])

    return read


def answered(path: str, body: dict[str, Any]) -> respx.Route:
    return respx.get(f"{ROOT}/3.0{path}").mock(httpx.Response(200, json=body))


def asked(route: respx.Route) -> dict[str, str]:
    return dict(route.calls.last.request.url.params)


@respx.mock
def test_campaigns_sent_since(client: MailchimpClient, answers: Answers) -> None:
    route = answered("/campaigns", answers("campaigns-list-sent-since"))
    assert reports.campaigns_sent(client, "a1", SINCE) == [SentCampaign("cb398d21d2", "", SENT)]
    params = asked(route)
    assert (params["status"], params["list_id"]) == ("sent", "a1")
    assert params["since_send_time"] == "2026-11-15T00:00:00+00:00"
    assert params["count"] == "1000"


@respx.mock
def test_a_campaigns_title_page_and_name_in_links(client: MailchimpClient) -> None:
    whole = {
        "id": "c1",
        "send_time": "2026-11-18T15:00:00+00:00",
        "long_archive_url": "https://mailchi.mp/x/news",
        "settings": {"title": "", "subject_line": "Hello"},
        "tracking": {"google_analytics": "november_news"},
    }
    unsent = {"id": "c2", "send_time": ""}
    answered("/campaigns", {"campaigns": [whole, unsent, "odd"]})
    assert reports.campaigns_sent(client, "a1", SINCE) == [
        SentCampaign("c1", "Hello", SENT, "https://mailchi.mp/x/news", "november_news")
    ]


@respx.mock
def test_figures_of_all_campaigns_of_the_audience_in_one_call(client: MailchimpClient) -> None:
    mine = {
        "id": "c1",
        "campaign_title": "News",
        "list_id": "a1",
        "send_time": "2026-11-18T15:00:00+00:00",
        "emails_sent": 10,
        "unsubscribed": 1,
        "abuse_reports": 2,
        "bounces": {"hard_bounces": 3, "soft_bounces": 4, "syntax_errors": 9},
        "opens": {"opens_total": 8, "unique_opens": 5, "last_open": "2026-11-19T15:00:00+00:00"},
        "clicks": {"clicks_total": 6, "unique_clicks": 5, "unique_subscriber_clicks": 4, "last_click": ""},
    }
    route = answered("/reports", {"reports": [mine, {**mine, "id": "c2", "list_id": "another"}]})
    (report,) = reports.reports_since(client, "a1", SINCE)
    assert report == Report(
        "c1",
        "News",
        SENT,
        {
            "sent": 10,
            "opens": 8,
            "unique_opens": 5,
            "clicks": 6,
            "unique_clicks": 4,
            "unsubscribed": 1,
            "complaints": 2,
            "bounces": 7,
        },
        datetime(2026, 11, 19, 15, tzinfo=UTC),
        None,
    )
    assert asked(route)["since_send_time"] == "2026-11-15T00:00:00+00:00"


@respx.mock
def test_whom_it_was_sent_to(client: MailchimpClient, answers: Answers) -> None:
    """S54."""
    route = answered("/reports/cb398d21d2/sent-to", answers("report-sent-to"))
    page = reports.sent_to(client, "cb398d21d2", offset=2000)
    assert (page.total, [row["email_id"] for row in page.rows]) == (4790, [ANA])
    assert (asked(route)["offset"], asked(route)["count"]) == ("2000", "1000")


@respx.mock
def test_who_opened_and_clicked_without_machines(client: MailchimpClient, answers: Answers) -> None:
    """S55, S56: what bots and proxies did is not even asked for."""
    route = answered("/reports/cb398d21d2/email-activity", answers("report-email-activity"))
    page = reports.email_activity(client, "cb398d21d2", since=SINCE)
    assert [each["action"] for each in page.rows[0]["activity"]] == ["open", "click"]
    params = asked(route)
    assert (params["filter_bots"], params["since"]) == ("true", "2026-11-15T00:00:00+00:00")
    reports.email_activity(client, "cb398d21d2", since=None)
    assert "since" not in asked(route)


@respx.mock
def test_text_messages_that_were_sent(client: MailchimpClient, answers: Answers) -> None:
    """S57."""
    body = answers("sms-campaigns-list")
    draft = {"id": "s2", "name": "Later", "status": "draft", "send_time": None}
    answered("/sms-campaigns", {"sms_campaigns": [*body["sms_campaigns"], draft]})
    sent = datetime(2026, 11, 10, 17, tzinfo=UTC)
    assert reports.sms_campaigns(client) == [SmsCampaign("9f00aa11", "Early access text", sent, 611)]


@respx.mock
@pytest.mark.parametrize("path", ["/reports", "/sms-campaigns"])
def test_a_list_of_more_than_a_page_is_read_to_its_end(path: str, client: MailchimpClient) -> None:
    """Planted: the first page alone; the order is not documented, so the newest may be the last."""

    def row(number: int) -> dict[str, Any]:
        return {"id": f"c{number}", "list_id": "a1", "status": "done", "send_time": "2026-11-18T15:00:00+00:00"}

    def page(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params.get("offset", "0"))
        rows = [row(number) for number in range(offset, min(offset + 2, 5))]
        name = path.strip("/").replace("-", "_")
        return httpx.Response(200, json={name: rows, "total_items": 5})

    route = respx.get(f"{ROOT}/3.0{path}").mock(side_effect=page)
    read = reports.sms_campaigns(client) if path == "/sms-campaigns" else reports.reports_since(client, "a1", SINCE)
    assert [each.id for each in read] == [f"c{number}" for number in range(5)]
    assert route.call_count == 3


@respx.mock
def test_what_one_contact_got(client: MailchimpClient, answers: Answers) -> None:
    route = answered(f"/lists/a1/members/{ANA}/activity-feed", answers("activity-feed-get"))
    feed = reports.activity_feed(client, "a1", ANA, filters="sms_bulk_sent")
    assert (feed["email_id"], len(feed["activity"])) == (ANA, 4)
    assert asked(route)["activity_filters"] == "sms_bulk_sent"


@respx.mock
def test_a_campaign_that_is_gone_is_not_the_audience(client: MailchimpClient) -> None:
    problem = {"title": "Resource Not Found", "status": 404, "detail": "The requested resource could not be found."}
    respx.get(f"{ROOT}/3.0/reports/c1/sent-to").mock(httpx.Response(404, json=problem))
    with pytest.raises(Rejected) as caught:
        reports.sent_to(client, "c1")
    assert caught.value.code == "mc_not_found"
