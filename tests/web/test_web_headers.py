"""What goes with every answer, route by route; and what comes in at most."""

from __future__ import annotations

import pytest
import web_house as house
from test_web_access import PUBLIC, filled, routes

from shopchimp.web import overview


def test_every_answer_has_the_headers_and_no_cookie(embedded, stranger, embedded_runtime, shop):
    run = house.add_run(embedded_runtime.database, shop, "running")
    person = house.add_person(embedded_runtime.database, shop, run)
    for method, path in routes(stranger.app):
        for client in (embedded(), stranger):
            answer = client.request(method, filled(path, run, person))
            where = (method, path, answer.status_code)
            assert "set-cookie" not in answer.headers, where
            assert "x-frame-options" not in answer.headers, where
            assert answer.headers["x-content-type-options"] == "nosniff", where
            assert answer.headers["referrer-policy"] == "no-referrer", where
            assert answer.headers["strict-transport-security"], where
            if not path.startswith(("/static", "/favicon")):
                assert answer.headers["cache-control"] == "no-store", where
            policy = answer.headers["content-security-policy"]
            assert policy.count("frame-ancestors") == 1
            assert "*" not in policy
            if client is stranger and path not in PUBLIC:
                assert policy.startswith("frame-ancestors 'none';"), where


def test_a_shops_page_may_be_framed_by_its_own_admin_alone(embedded, local, shop):
    policy = embedded().get("/activity").headers["content-security-policy"]
    assert policy.split(";")[0] == f"frame-ancestors https://{house.SHOP} https://admin.shopify.com"
    assert "script-src 'self' https://cdn.shopify.com" in policy
    policy = local().get("/activity").headers["content-security-policy"]
    assert policy.startswith("frame-ancestors 'none'; default-src 'self';")
    assert "http" not in policy


def test_standalone_pages_name_no_foreign_host(local, embedded_runtime, shop):
    house.add_run(embedded_runtime.database, shop, "done")
    for path in ("/", "/activity", "/settings", "/setup/connect"):
        assert "https://" not in local().get(path).text, path


def test_static_files_are_hashed_and_kept_for_ever(local, shop):
    page = local().get("/activity").text
    for name in (part.split('"')[0] for part in page.split("/static/")[1:]):
        answer = local().get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for name in ("app.css", "app.000000000000.css", "..%2Fapp.py", "%2e%2e/deps.py"):
        assert local().get(f"/static/{name}").status_code == 404


def test_static_files_stay_small():
    from shopchimp.web.assets import assets

    assert len(assets()["app.css"].body) <= 20_000
    assert len(assets()["app.js"].body) <= 10_000


def test_an_unexpected_error_gives_a_reference_and_no_more(apps, embedded_runtime, shop, monkeypatch):
    from starlette.testclient import TestClient

    def broken(*_):
        raise RuntimeError("anna.berg@example.com")

    monkeypatch.setattr(overview.overview, "overview", broken)
    client = TestClient(apps["embedded"], base_url="https://app.example.com", raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {house.session_token()}"}
    for path in ("/", "/api/v1/status"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 500
        assert "Reference " in answer.text
        assert "anna" not in answer.text
        assert (house.SHOP in answer.headers["content-security-policy"]) == (path == "/")


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "application/json"}, b"x" * 1_000_001, 413),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
        ({"Content-Type": "application/json", "Content-Length": "abc"}, b"", 413),
        ({"Content-Type": "application/json"}, b"{", 422),
    ],
)
def test_bodies_we_do_not_take(embedded, shop, headers, content, status):
    answer = embedded().patch("/api/v1/settings", content=content, headers=headers)
    assert answer.status_code == status


def test_health_knows_nobody(stranger, embedded, embedded_runtime, shop, monkeypatch):
    embedded().get("/activity/12345")
    assert stranger.get("/healthz").text == "ok"
    assert stranger.get("/readyz").json() == {"ready": True}
    metrics = stranger.get("/metrics").text
    assert 'route="/activity/{activity_id}"' in metrics
    assert "12345" not in metrics
    assert "myshopify" not in metrics
    monkeypatch.setattr(type(embedded_runtime.database), "is_ready", lambda _: 1 / 0)
    assert stranger.get("/readyz").status_code == 503
