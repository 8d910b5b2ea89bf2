"""The settings: every problem named at once, no value in the text, and `.env.example` names the same things."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shopchimp import config
from shopchimp.config import Settings
from shopchimp.db.crypto import EXAMPLE_KEY

ROOT = Path(__file__).parents[2]
CANARY = "canary0de8b7"
STORAGES = {"storage.googleapis.com", "mailchimp-api-batch.s3.amazonaws.com"}
GOOD = {
    "DATABASE_URL": "postgresql://someone:secret@db.internal:5432/shopchimp",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SHOPCHIMP_APP_URL": "https://sync.shop.test",
    "SHOPCHIMP_SHOPIFY_API_KEY": "key",
    "SHOPCHIMP_SHOPIFY_API_SECRET": "new-secret, old-secret",
    "SHOPCHIMP_MAILCHIMP_CLIENT_ID": "123",
    "SHOPCHIMP_MAILCHIMP_CLIENT_SECRET": "secret",
    "SHOPCHIMP_ENCRYPTION_KEYS": base64.b64encode(bytes(range(32))).decode(),
}
NAMES = {str(field.validation_alias.choices[0]) for field in Settings.model_fields.values()}  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # where no .env is
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in {**GOOD, **values}.items():
        monkeypatch.setenv(name, value)
    return config.load()


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **values: str) -> dict[str, str]:
    """The problems by setting; the exit code is that of a bad configuration."""
    with pytest.raises(SystemExit) as caught:
        loaded(monkeypatch, **values)
    assert caught.value.code == 78
    text = capsys.readouterr().err
    assert CANARY not in text
    return dict(re.findall(r"^  ([A-Z_]+): (.+)$", text, re.MULTILINE))


def test_good_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    assert settings.secrets == ("new-secret", "old-secret")
    assert settings.sqlalchemy_url == "postgresql+psycopg://someone:secret@db.internal:5432/shopchimp"
    assert settings.shopify_app().shop_url("a.myshopify.com") == "https://a.myshopify.com"
    assert settings.mailchimp_app().redirect_uri == "https://sync.shop.test/auth/mailchimp/callback"
    assert settings.allowed_download_hosts == STORAGES


def test_a_simulators_host_may_be_downloaded_from(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, SHOPCHIMP_SHOPIFY_URL="http://127.0.0.1:9001/{shop}/")
    assert settings.allowed_download_hosts == {*STORAGES, "127.0.0.1"}
    assert settings.shopify_app().shop_url("a.myshopify.com") == "http://127.0.0.1:9001/a.myshopify.com"
    settings = loaded(monkeypatch, SHOPCHIMP_MAILCHIMP_API_URL="http://127.0.0.2:9002")
    assert "127.0.0.2" in settings.allowed_download_hosts


def test_no_secret_is_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(
        monkeypatch,
        SHOPCHIMP_SHOPIFY_API_SECRET=CANARY,
        SHOPCHIMP_MAILCHIMP_CLIENT_SECRET=CANARY,
        DATABASE_URL=f"postgresql://u:{CANARY}@h/d",
        REDIS_URL=f"redis://:{CANARY}@h",
    )
    assert CANARY not in repr(settings) + str(settings)


def test_everything_missing_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        config.load()
    assert caught.value.code == 78
    text = capsys.readouterr().err
    assert {name for name in GOOD if f"  {name}: " in text} == set(GOOD)
    assert ".env.example" in text


BAD = {
    "DATABASE_URL": f"mysql://u:{CANARY}@h/d",
    "REDIS_URL": f"amqp://{CANARY}",
    "SHOPCHIMP_APP_URL": f"http://{CANARY}.example.com",
    "SHOPCHIMP_SHOPIFY_API_KEY": " ",
    "SHOPCHIMP_SHOPIFY_API_SECRET": " , ",
    "SHOPCHIMP_MAILCHIMP_CLIENT_ID": "",
    "SHOPCHIMP_MAILCHIMP_CLIENT_SECRET": "",
    "SHOPCHIMP_ENCRYPTION_KEYS": CANARY,
    "SHOPCHIMP_SHOPIFY_URL": f"https://{CANARY}",
    "SHOPCHIMP_MAILCHIMP_LOGIN_URL": f"http://{CANARY}.example.com",
    "SHOPCHIMP_MAILCHIMP_API_URL": f"http://[{CANARY}]",
    "SHOPCHIMP_MAILCHIMP_CONNECTIONS": "11",
    "SHOPCHIMP_APP_BRIDGE_URL": f"//{CANARY}",
    "SHOPCHIMP_STANDALONE_SHOP": f"{CANARY}.example.com",
    "SHOPCHIMP_LEASE_SECONDS": CANARY,
    "SHOPCHIMP_SWEEP_SECONDS": "0",
    "SHOPCHIMP_LOG_LEVEL": CANARY,
}


def test_everything_wrong_is_named_at_once_and_no_value_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(refused(monkeypatch, capsys, **BAD)) == set(BAD)


@pytest.mark.parametrize("name", BAD)
def test_each_wrong_value_stops_the_start_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(refused(monkeypatch, capsys, **{name: BAD[name]})) == {name}


def test_standing_alone_is_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = refused(monkeypatch, capsys, SHOPCHIMP_STANDALONE_SHOP="demo-store.myshopify.com")
    assert set(problems) == {"SHOPCHIMP_STANDALONE_SHOP"}
    here = {"SHOPCHIMP_STANDALONE_SHOP": "Demo-Store.myshopify.com", "SHOPCHIMP_APP_URL": "http://127.0.0.1:8000"}
    assert loaded(monkeypatch, **here).standalone_shop == "demo-store.myshopify.com"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://192.168.0.1", False),
        ("http://evil.example.com@127.0.0.1", True),  # what a browser would do with it, too
        ("http://127.0.0.1@evil.example.com", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_what_counts_as_this_machine(url: str, loopback: bool) -> None:
    assert config.is_loopback(url) is loopback


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_names_exactly_the_settings_each_with_a_comment() -> None:
    assert set(example()) == NAMES
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            block = [above for above in lines[:number][::-1][:3] if above]
            assert any(above.startswith("#") for above in block), f"{line.split('=')[0]} has no comment"


def test_the_example_shows_the_defaults() -> None:
    for field in Settings.model_fields.values():
        name = str(field.validation_alias.choices[0])  # type: ignore[union-attr]
        if not field.is_required():
            shown = example()[name]
            assert shown == ("" if field.default is None else str(field.default).removesuffix(".0")), name


def test_the_example_values_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert example()["SHOPCHIMP_ENCRYPTION_KEYS"] == EXAMPLE_KEY
    problems = refused(monkeypatch, capsys, **example())
    assert set(problems) == set(GOOD) - {"REDIS_URL"}
    for name in problems:
        assert set(refused(monkeypatch, capsys, **{**GOOD, name: example()[name]})) == {name}


def test_a_process_stops_with_78_and_no_traceback() -> None:
    command = [sys.executable, "-m", "shopchimp.cli", "serve"]
    done = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
