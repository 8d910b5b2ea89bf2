"""Mailchimp: OAuth, the Marketing API client and its payloads. *Member* is this package's word for a contact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailchimpApp:
    """The app's own credentials at Mailchimp and where the platform lives.

    `api_url` empty means: what the metadata call names for the connected account.
    """

    client_id: str
    client_secret: str
    redirect_uri: str
    login_url: str = "https://login.mailchimp.com"
    api_url: str = ""
