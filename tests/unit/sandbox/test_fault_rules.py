"""Fault rules alone: how often they fire, and that the seed decides."""

import pytest

from shopchimp.sandbox.faults import BadRuleError, Rule


def fired(seed: int, **given: object) -> list[bool]:
    rule = Rule.from_json({"route": "*", "kind": "500", **given}, seed=seed, number=0)
    return [rule.fires("GET /ping") for _ in range(200)]


def test_the_seed_decides() -> None:
    assert fired(1, rate=0.3) == fired(1, rate=0.3)
    assert fired(1, rate=0.3) != fired(2, rate=0.3)
    assert 30 < sum(fired(1, rate=0.3)) < 90


def test_times_end_it() -> None:
    assert fired(1, times=3) == [True] * 3 + [False] * 197


def test_another_route_is_left_alone() -> None:
    rule = Rule(route="GET /lists", kind="429")
    assert not rule.fires("GET /ping")
    assert rule.fires("GET /lists")


@pytest.mark.parametrize("wrong", [{"kind": "meteor"}, {"rate": 0}, {"rate": 2}])
def test_a_rule_that_could_never_fire_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRuleError):
        Rule.from_json({"route": "*", "kind": "500", **wrong}, seed=1, number=0)
