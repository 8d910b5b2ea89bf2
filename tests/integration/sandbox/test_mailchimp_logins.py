"""Several people of one account, each with a login of their own, and as many audiences as wanted."""

from __future__ import annotations

import threading

import httpx
from mailchimp_port import opened

from shopchimp.sandbox.mailchimp.app import CONNECTION_LIMIT


def at_once(url: str, tokens: list[str]) -> list[int]:
    """What so many calls at the same time are answered."""
    answers: list[int] = []

    def call(token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        answers.append(httpx.get(f"{url}/3.0/ping", headers=headers, timeout=20).status_code)

    threads = [threading.Thread(target=call, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_calls_at_once_are_counted_by_login():
    with opened(people=1, account={"own_logins": True}) as port:
        httpx.post(f"{port.url}/_sandbox/latency", json={"ms": 1500})
        mine, theirs = port.api.token, port.api.sandbox.account.new_token()
        answers = at_once(port.url, [mine] * CONNECTION_LIMIT + [theirs] * CONNECTION_LIMIT)
        assert answers.count(200) == 2 * CONNECTION_LIMIT
        assert sorted(set(at_once(port.url, [mine] * (CONNECTION_LIMIT + 2)))) == [200, 429]
        account = port.api.sandbox.account
        named = [
            httpx.get(f"{port.url}/3.0/", headers={"Authorization": f"Bearer {token}"}).json()["login_id"]
            for token in (mine, theirs)
        ]
        assert named == [str(account.login_id(mine)), str(account.login_id(theirs))]
        assert len(set(named)) == 2


def test_all_tokens_are_one_login_unless_told_otherwise():
    with opened(people=1) as port:
        httpx.post(f"{port.url}/_sandbox/latency", json={"ms": 1500})
        mine, theirs = port.api.token, port.api.sandbox.account.new_token()
        answers = at_once(port.url, [mine] * CONNECTION_LIMIT + [theirs] * 2)
        assert sorted(set(answers)) == [200, 429]
        assert port.api.sandbox.account.login_id(mine) == port.api.sandbox.account.login_id(theirs)


def test_further_audiences_are_empty():
    with opened(people=3, account={"audiences": 5}) as port:
        headers = {"Authorization": f"Bearer {port.api.token}"}
        lists = httpx.get(f"{port.url}/3.0/lists", headers=headers).json()["lists"]
        assert [each["name"] for each in lists] == ["Newsletter", "Wholesale", "Audience 3", "Audience 4", "Audience 5"]
        assert all(each["stats"]["member_count"] == 0 for each in lists[2:])
