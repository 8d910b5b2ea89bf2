"""What becomes of a webhook on its way: delivered, retried, given up, lost, doubled, overtaken, held."""

import pytest
from webhook_ear import ear, wait_until

from shopchimp.sandbox.courier import MANNERS, Courier
from shopchimp.sandbox.mischief import BadMischiefError, Mischief

ALL_TRIES = 1 + len(MANNERS["shopify"].gaps)


@pytest.fixture
def app():
    with ear() as listening:
        yield listening


@pytest.fixture
def courier():
    made = Courier(retry_scale=0)
    yield made
    made.close()


def post(courier, app, number, platform="shopify", **told):
    def make():
        return [(b"X-Number", b"%d" % number)], b"body %d" % number

    courier.post(platform=platform, topic="a/topic", url=f"{app.url}/hook?x=1", make=make, **told)


def settled(courier, platform="shopify"):
    wait_until(lambda: courier.report()[platform]["waiting"] == 0, "all deliveries to settle")
    return courier.report()[platform]


def bodies(app):
    return [int(each.body.removeprefix(b"body ")) for each in app.heard]


def test_a_delivery_arrives_whole(courier, app):
    post(courier, app, 7)
    (heard,) = app.wait(1)
    assert (heard.path, heard.body, heard.headers["x-number"]) == ("/hook?x=1", b"body 7", "7")
    assert settled(courier)["delivered"] == 1


def test_thousands_arrive_once_each(courier, app):
    for number in range(3000):
        post(courier, app, number)
    assert settled(courier)["delivered"] == 3000
    assert sorted(bodies(app)) == list(range(3000))


def test_a_refused_delivery_comes_again_with_the_same_bytes(courier, app):
    answers = iter([500, 302, 404, 200])
    app.status = lambda _: next(answers)
    post(courier, app, 1)
    report = settled(courier)
    assert (report["delivered"], report["failed"], report["dead"]) == (1, 3, 0)
    assert bodies(app) == [1, 1, 1, 1]


@pytest.mark.parametrize("platform", ["shopify", "mailchimp"])
def test_after_the_last_try_it_is_given_up(courier, app, platform):
    app.status = 503
    told = []
    post(courier, app, 1, platform, on_failed=lambda: told.append("failed"))
    report = settled(courier, platform)
    assert (report["delivered"], report["dead"]) == (0, 1)
    assert len(app.heard) == 1 + len(MANNERS[platform].gaps)
    assert told == ["failed"]


def test_nobody_listening_counts_as_a_failure(courier, app):
    courier.post(platform="shopify", topic="t", url="http://127.0.0.1:9/", make=lambda: ([], b""))
    assert settled(courier)["failed"] == ALL_TRIES


def test_410_ends_a_mailchimp_hook_at_once_and_is_any_failure_to_shopify(courier, app):
    app.status = 410
    told = []
    post(courier, app, 1, "mailchimp", on_gone=lambda: told.append("gone"), on_failed=lambda: told.append("failed"))
    assert settled(courier, "mailchimp")["gone"] == 1
    assert (len(app.heard), told) == (1, ["gone"])
    post(courier, app, 1, on_gone=lambda: told.append("gone"))
    assert settled(courier)["dead"] == 1
    assert told == ["gone"]


def test_the_signature_is_made_anew_for_every_try(courier, app):
    answers = iter([500, 200])
    app.status = lambda _: next(answers)
    times = iter([b"1", b"2"])
    post(courier, app, 1, "mailchimp", sign=lambda body: [(b"X-Signed", next(times) + b" " + body)])
    settled(courier, "mailchimp")
    assert [each.headers["x-signed"] for each in app.heard] == ["1 body 1", "2 body 1"]


def test_a_host_that_is_down_holds_up_no_other(courier, app):
    app.status = 503
    with ear() as other:
        for number in range(200):
            post(courier, app, number)
        post(courier, other, 1)
        other.wait(1)
    settled(courier)


def test_lose_1_loses_all_and_makes_nothing(courier, app):
    courier.change({"lose": 1})
    for number in range(10):
        post(courier, app, number)
    courier.change({"lose": 0})
    post(courier, app, 10)
    report = settled(courier)
    assert (report["made"], report["lost"], report["delivered"]) == (11, 10, 1)
    assert bodies(app) == [10]


def test_paused_holds_everything_until_released(courier, app):
    courier.change({"platform": "shopify", "paused": True})
    for number in range(5):
        post(courier, app, number)
    post(courier, app, 99, "mailchimp")
    settled(courier, "mailchimp")
    assert bodies(app) == [99]
    assert courier.report()["shopify"]["waiting"] == 5
    courier.change({"paused": False})
    settled(courier)
    assert sorted(bodies(app)) == [0, 1, 2, 3, 4, 99]


def test_loss_and_doubling_are_the_same_again_from_the_same_seed(courier, app):
    def run():
        app.heard.clear()
        courier.change({"lose": 0.3, "double": 0.3, "reorder": 0.3, "delay_ms": [0, 20], "seed": 7})
        for number in range(200):
            post(courier, app, number)
        settled(courier)
        return sorted(bodies(app))

    first = run()
    assert run() == first
    assert len(set(first)) < 190
    assert len(first) > len(set(first)) + 20
    report = courier.report()["shopify"]
    assert (report["made"], report["delivered"]) == (400, 400 - report["lost"] + report["doubled"])


def test_the_overtaken_go_out_behind_later_ones(courier, app, monkeypatch):
    monkeypatch.setattr("shopchimp.sandbox.courier.OVERTAKEN_SECONDS", 600)
    courier.change({"reorder": 1, "seed": _seed_that_holds_back(3)})
    post(courier, app, 1)
    courier.change({"reorder": 0})
    for number in (2, 3):
        post(courier, app, number)
        app.wait(number - 1)
    assert bodies(app) == [2, 3]
    assert courier.report()["shopify"]["waiting"] == 1
    post(courier, app, 4)
    settled(courier)
    assert sorted(bodies(app)) == [1, 2, 3, 4]


def _seed_that_holds_back(places):
    def behind(seed):
        mischief = Mischief("shopify")
        mischief.change({"reorder": 1, "seed": seed})
        return mischief.copies()[0].behind

    return next(seed for seed in range(100) if behind(seed) == places)


def test_the_last_one_goes_out_though_nothing_overtakes_it(courier, app):
    courier.change({"reorder": 1})
    post(courier, app, 1)
    app.wait(1)


def test_one_share_can_be_changed_without_changing_what_the_others_decide():
    def fates(**settings):
        mischief = Mischief("shopify")
        mischief.change({"seed": 5, "lose": 0.2, **settings})
        return [mischief.copies() for _ in range(200)]

    plain, doubled = fates(), fates(double=0.5, delay_ms=[10, 20])
    assert [not each for each in plain] == [not each for each in doubled]
    assert fates(double=0.5, delay_ms=[10, 20]) == doubled
    assert fates(seed=6) != plain


@pytest.mark.parametrize("wrong", [{"lose": 1.5}, {"delay_ms": [5, 1]}, {"los": 1}])
def test_settings_that_mean_nothing_are_refused(wrong):
    courier = Courier()
    with pytest.raises(BadMischiefError):
        courier.change({"double": 0.5, **wrong})
    assert courier.report()["shopify"]["settings"]["double"] == 0
