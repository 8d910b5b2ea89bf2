"""The calls about campaigns and what became of them, by route. The product only reads them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp import campaign_list, feed, member_events, report_links, report_rows, reports
from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.wire import Call

Handler = Callable[[Account, Call], Mapping[str, Any] | None]

_MEMBER: Final = "/lists/{list_id}/members/{subscriber_hash}"
_REPORT: Final = "/reports/{campaign_id}"

ROUTES: Final[Mapping[str, Handler]] = {
    f"GET {_MEMBER}/events": member_events.listing,
    f"POST {_MEMBER}/events": member_events.post,
    f"GET {_MEMBER}/activity": feed.last_fifty,
    f"GET {_MEMBER}/activity-feed": feed.feed,
    "GET /campaigns": campaign_list.campaigns,
    "GET /campaigns/{campaign_id}": campaign_list.campaign,
    "GET /reports": reports.listing,
    f"GET {_REPORT}": reports.one,
    f"GET {_REPORT}/sent-to": report_rows.sent_to,
    f"GET {_REPORT}/sent-to/{{subscriber_hash}}": report_rows.sent_to_one,
    f"GET {_REPORT}/email-activity": report_rows.email_activity,
    f"GET {_REPORT}/email-activity/{{subscriber_hash}}": report_rows.email_activity_one,
    f"GET {_REPORT}/open-details": report_rows.open_details,
    f"GET {_REPORT}/open-details/{{subscriber_hash}}": report_rows.open_details_one,
    f"GET {_REPORT}/click-details": report_links.links,
    f"GET {_REPORT}/click-details/{{link_id}}": report_links.link,
    f"GET {_REPORT}/click-details/{{link_id}}/members": report_links.clickers,
    f"GET {_REPORT}/unsubscribed": report_rows.unsubscribed,
    "GET /sms-campaigns": campaign_list.sms_campaigns,
    "GET /sms-campaigns/{sms_campaign_id}": campaign_list.sms_campaign,
}
