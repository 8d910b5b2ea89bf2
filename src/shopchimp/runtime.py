"""What lives as long as a process: the pools, the clients' transport, the app's credentials. Made after any fork."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from shopchimp.db.crypto import Vault
from shopchimp.db.session import Database
from shopchimp.mailchimp import MailchimpApp
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import ShopifyApp


@dataclass(frozen=True, slots=True)
class Runtime:
    """The process's own things. `gateways` is what services take."""

    gateways: Gateways
    redis_url: str
    standalone_shop: str
    app_bridge_url: str
    lease_seconds: float
    sweep_seconds: float

    @property
    def database(self) -> Database:
        """Postgres."""
        return self.gateways.database

    @property
    def shopify_app(self) -> ShopifyApp:
        """The app's credentials at Shopify."""
        return self.gateways.shopify_app

    @property
    def mailchimp_app(self) -> MailchimpApp:
        """The app's credentials at Mailchimp."""
        return self.gateways.mailchimp_app

    def close(self) -> None:
        """Give back what the process held."""
        self.gateways.http.close()
        self.database.close()


def make_runtime(
    *,
    database_url: str,
    redis_url: str,
    keys: tuple[bytes, ...],
    shopify_app: ShopifyApp,
    mailchimp_app: MailchimpApp,
    download_hosts: frozenset[str],
    connections: int,
    standalone_shop: str,
    app_bridge_url: str,
    lease_seconds: float,
    sweep_seconds: float,
) -> Runtime:
    """Open everything. Nothing is connected to before it is used."""
    limits = httpx.Limits(max_connections=40, max_keepalive_connections=20, keepalive_expiry=30)
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))  # all shops share this client
    http = httpx.Client(limits=limits, follow_redirects=False, trust_env=False, timeout=20.0, cookies=no_cookies)
    gateways = Gateways(
        database=Database(database_url, pool_size=20),
        vault=Vault(keys),
        http=http,
        shopify_app=shopify_app,
        mailchimp_app=mailchimp_app,
        download_hosts=download_hosts,
        connections=connections,
    )
    return Runtime(gateways, redis_url, standalone_shop, app_bridge_url, lease_seconds, sweep_seconds)
