"""Settings: the only reader of the environment. `.env.example` lists the same names, kept equal by a test."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopchimp.db.crypto import parse_keys
from shopchimp.mailchimp import MailchimpApp
from shopchimp.runtime import Runtime, make_runtime
from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.domains import shop_domain

DEFAULT_SCOPES = (
    "read_customers,write_customers,read_orders,read_products,read_discounts,read_marketing_events,"
    "write_marketing_events,read_pixels,write_pixels,read_customer_events"
)
EXAMPLE = "replace-me"  # in every value of .env.example that must be one's own
POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
EXIT_CONFIG = 78  # sysexits.h EX_CONFIG: a supervisor need not try again


def _named(name: str) -> AliasChoices:
    return AliasChoices(name)


class Settings(BaseSettings):
    """Everything an operator can set. Secrets and addresses have no default: a missing one stops the start."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore")

    database_url: Annotated[SecretStr, Field(validation_alias=_named("DATABASE_URL"))]
    redis_url: Annotated[SecretStr, Field(validation_alias=_named("REDIS_URL"))]
    app_url: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_APP_URL"))]
    shopify_api_key: Annotated[str, Field(min_length=1, validation_alias=_named("SHOPCHIMP_SHOPIFY_API_KEY"))]
    shopify_api_secret: Annotated[SecretStr, Field(validation_alias=_named("SHOPCHIMP_SHOPIFY_API_SECRET"))]
    mailchimp_client_id: Annotated[str, Field(min_length=1, validation_alias=_named("SHOPCHIMP_MAILCHIMP_CLIENT_ID"))]
    mailchimp_client_secret: Annotated[SecretStr, Field(validation_alias=_named("SHOPCHIMP_MAILCHIMP_CLIENT_SECRET"))]
    encryption_keys: Annotated[SecretStr, Field(validation_alias=_named("SHOPCHIMP_ENCRYPTION_KEYS"))]

    shopify_url: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_SHOPIFY_URL"))] = "https://{shop}"
    shopify_scopes: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_SHOPIFY_SCOPES"))] = DEFAULT_SCOPES
    mailchimp_login_url: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_MAILCHIMP_LOGIN_URL"))] = (
        "https://login.mailchimp.com"
    )
    mailchimp_api_url: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_MAILCHIMP_API_URL"))] = ""
    mailchimp_connections: Annotated[
        int, Field(ge=1, le=10, validation_alias=_named("SHOPCHIMP_MAILCHIMP_CONNECTIONS"))
    ] = 8
    download_hosts: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_DOWNLOAD_HOSTS"))] = (
        "storage.googleapis.com,mailchimp-api-batch.s3.amazonaws.com"
    )
    app_bridge_url: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_APP_BRIDGE_URL"))] = (
        "https://cdn.shopify.com/shopifycloud/app-bridge.js"
    )
    standalone_shop: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_STANDALONE_SHOP"))] = ""
    data_dir: Annotated[Path | None, Field(validation_alias=_named("SHOPCHIMP_DATA_DIR"))] = None
    lease_seconds: Annotated[float, Field(ge=1, le=300, validation_alias=_named("SHOPCHIMP_LEASE_SECONDS"))] = 20.0
    sweep_seconds: Annotated[float, Field(ge=0.2, le=60, validation_alias=_named("SHOPCHIMP_SWEEP_SECONDS"))] = 5.0
    log_level: Annotated[str, Field(validation_alias=_named("SHOPCHIMP_LOG_LEVEL"))] = "INFO"

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """Without surrounding spaces; and what `.env.example` says is nobody's own."""
        if not isinstance(value, str):
            return value
        if EXAMPLE in value:
            raise ValueError("is still the example of .env.example")
        return value.strip()

    @field_validator("data_dir", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        return value or None

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(POSTGRES):
            raise ValueError("must be an address of Postgres: postgresql://user:password@host:5432/database")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("must be an address of Redis: redis://host:6379/0")
        return value

    @field_validator("shopify_api_secret", "mailchimp_client_secret")
    @classmethod
    def _is_given(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip(", "):
            raise ValueError("is empty")
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        parse_keys(value.get_secret_value())
        return value

    @field_validator("app_url", "shopify_url", "mailchimp_login_url", "mailchimp_api_url", "app_bridge_url")
    @classmethod
    def _is_safe(cls, value: str, info: ValidationInfo) -> str:
        """Tokens and secrets go to these addresses: https, or a simulator on this machine."""
        if value == "" and info.field_name == "mailchimp_api_url":
            return value
        if info.field_name == "shopify_url" and "{shop}" not in value:
            raise ValueError("must contain {shop}, e.g. https://{shop} or http://127.0.0.1:9001/{shop}")
        url = value.replace("{shop}", "shop")
        if not is_https(url) and not is_loopback(url):
            raise ValueError("must be an https address, or one on this machine (loopback)")
        return value.rstrip("/")

    @field_validator("standalone_shop")
    @classmethod
    def _is_alone(cls, value: str, info: ValidationInfo) -> str:
        if value and not is_loopback(info.data.get("app_url", "http://127.0.0.1")):  # a bad one has its own problem
            raise ValueError("is for this machine only: SHOPCHIMP_APP_URL must be loopback")
        return shop_domain(value) if value else value

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in LEVELS:
            raise ValueError(f"must be one of {', '.join(LEVELS)}")
        return value.upper()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The app secrets at Shopify, the one to send first, the others still accepted while rotating."""
        raw = self.shopify_api_secret.get_secret_value()
        return tuple(part.strip() for part in raw.split(",") if part.strip())

    @property
    def sqlalchemy_url(self) -> str:
        """DATABASE_URL with the driver this project uses (psycopg 3)."""
        url = self.database_url.get_secret_value()
        for prefix in ("postgres://", "postgresql://"):
            if url.startswith(prefix):
                return "postgresql+psycopg://" + url.removeprefix(prefix)
        return url

    @property
    def allowed_download_hosts(self) -> frozenset[str]:
        """Hosts that results of bulk operations and batches may be fetched from: storages, or the simulators."""
        hosts = {host.strip().lower() for host in self.download_hosts.split(",") if host.strip()}
        simulator = urlsplit(self.shopify_url).hostname or ""
        if "{shop}" not in simulator and not simulator.startswith("%7b"):
            hosts.add(simulator)
        if simulator := urlsplit(self.mailchimp_api_url).hostname or "":
            hosts.add(simulator)
        return frozenset(hosts)

    def shopify_app(self) -> ShopifyApp:
        """The app's credentials at Shopify."""
        return ShopifyApp(
            api_key=self.shopify_api_key,
            secrets=self.secrets,
            app_url=self.app_url.rstrip("/"),
            scopes=tuple(s.strip() for s in self.shopify_scopes.split(",") if s.strip()),
            url_template=self.shopify_url,
        )

    def mailchimp_app(self) -> MailchimpApp:
        """The app's credentials at Mailchimp."""
        return MailchimpApp(
            client_id=self.mailchimp_client_id,
            client_secret=self.mailchimp_client_secret.get_secret_value(),
            redirect_uri=f"{self.app_url.rstrip('/')}/auth/mailchimp/callback",
            login_url=self.mailchimp_login_url.rstrip("/"),
            api_url=self.mailchimp_api_url.rstrip("/"),
        )


def open_runtime(settings: Settings) -> Runtime:
    """What lives as long as a process, made from the settings."""
    return make_runtime(
        database_url=settings.sqlalchemy_url,
        redis_url=settings.redis_url.get_secret_value(),
        keys=parse_keys(settings.encryption_keys.get_secret_value()),
        shopify_app=settings.shopify_app(),
        mailchimp_app=settings.mailchimp_app(),
        download_hosts=settings.allowed_download_hosts,
        connections=settings.mailchimp_connections,
        standalone_shop=settings.standalone_shop,
        app_bridge_url=settings.app_bridge_url,
        lease_seconds=settings.lease_seconds,
        sweep_seconds=settings.sweep_seconds,
    )


def is_loopback(url: str) -> bool:
    """Whether this address can only be reached from this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_https(url: str) -> bool:
    """Whether this is an https address with a host in it."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its words would quote the address
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def load() -> Settings:
    """Read the settings or stop with every problem named at once, without any value in the text."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            name = ".".join(str(part) for part in problem["loc"]) or "settings"
            lines.append(f"  {name}: {problem['msg'].removeprefix('Value error, ')}")
        text = [
            "shopchimp can't start with these settings:",
            *lines,
            "See .env.example, or try `shopchimp demo`.",
        ]
        sys.stderr.write("\n".join(text) + "\n")
        raise SystemExit(EXIT_CONFIG) from None
