"""One history from one number: who was there at first, what people do, what goes wrong; then quiet, and a verdict."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from truth import Ending, problems
from two_platforms import ABSENT, ASKED, IN, NOT, OUT, SUB, UNASKED, UNSUB, WAITING
from world import SOUND, Bugs, World

from shopchimp.domain.consent import CustomerState, Known
from shopchimp.domain.fields import FieldMap, Source
from shopchimp.domain.profile import ProfileOptions
from shopchimp.domain.records import Person
from shopchimp.domain.steps import LiveOptions

MOST_WRITES = 12
ANN, BEA, CAT = "ann@example.com", "bea@example.com", "cat@example.com"
_NAMES = ProfileOptions(FieldMap((("FNAME", Source.FIRST_NAME),), frozenset({"FNAME"})))
_PLAIN = LiveOptions(profile=_NAMES)
_DOUBLE = LiveOptions(profile=_NAMES, double_optin=True)
_CREATING = LiveOptions(profile=_NAMES, create_customers=True)
OPTIONS = {"plain": _PLAIN, "double": _DOUBLE, "creating": _CREATING, "addresses": _PLAIN}
_STARTS = (
    (SUB, IN), (SUB, IN), (SUB, IN), (UNSUB, OUT), (UNSUB, OUT), (NOT, UNASKED), (None, None), (NOT, None), (SUB, None),
    (None, IN),
)  # fmt: skip


class Verdict:
    __slots__ = ("ends", "looks", "problems", "repaired", "windows", "world", "writes")

    def __init__(self, world: World, found: list[str], writes: int, repaired: int, ends: tuple[Any, ...]) -> None:
        self.world, self.problems, self.writes, self.repaired = world, found, writes, repaired
        self.windows, self.looks, self.ends = world.windows, world.looks, ends


def kind_of(seed: int) -> str:
    n = seed % 20
    return "plain" if n < 13 else "double" if n < 15 else "creating" if n < 17 else "addresses"


def live(
    seed: int,
    *,
    bugs: Bugs = SOUND,
    tracing: bool = False,
    hits: Counter[str] | None = None,
    without: frozenset[int] = frozenset(),
    spared: frozenset[int] = frozenset(),
    sure: bool = False,
) -> Verdict:
    """Play the history of this seed to its end, leaving out some edits and nemeses.

    `sure`: every webhook arrives, and there is no poll and no audit: what is marked is enough.
    """
    rng = Random(seed)
    kind = kind_of(seed)
    carries = kind == "addresses" and rng.random() < 0.5
    world = World(rng, OPTIONS[kind], carries=carries, bugs=bugs, tracing=tracing, hits=hits)
    world.spared, world.sure = spared, sure
    _start(world, kind)
    _play(world, kind, seed, without)
    return end(world, kind)


def _start(world: World, kind: str) -> None:
    """A pair that a first sync left behind, or nobody."""
    start = int(world.random() * len(_STARTS))
    for key, (state, status) in ((ANN, _STARTS[start]), (BEA, _STARTS[int(world.random() * len(_STARTS))])):
        if key is BEA and kind != "addresses":
            break
        settle(world, key, state, status)


def settle(world: World, key: str, state: Any, status: Any) -> None:
    """Both sides of somebody as a first sync left them a day ago, and what we then remembered."""
    then = world.now - 86_400_000
    second = then // 1000
    opted = second if status in (IN, OUT) else None
    if state in (SUB, UNSUB):
        world.book.chose(then, key, "shop", opted_in=state is SUB)
    if status in (IN, OUT):
        world.book.chose(then, key, "chimp", opted_in=status is IN)
    shopper = None
    if state is not None:
        shopper = world.shop.add(key, state, second if state in (SUB, UNSUB) else None, "Ann", second)
    if status is not None:
        world.chimp.add(key, status, opted, "Ann", second + 1)
    if state is not None and status is None:
        world.shop.mail.append((shopper.id if shopper else 0, world.now))  # somebody new
        return
    if state is None and status is None:
        return
    if state is None and world.options.create_customers:
        world.chimp.mail.append((key, None, world.now))  # a new contact
        return
    from two_platforms import moment

    known = Known(state or CustomerState.ABSENT, status or ABSENT, opted_in_at=None if opted is None else moment(opted))
    world.people[key] = Person(
        key, known, None, 1, shopper.id if shopper else None, None, {"FNAME": "Ann"}, None, (), None, None, None
    )


def _play(world: World, kind: str, seed: int, without: frozenset[int]) -> None:
    random = world.random
    edits = 2 + int(random() * 4)
    steps = 0
    workers = world.workers
    while steps < 44 or edits > 0:
        steps += 1
        luck = random()
        world.now += 20 + int(random() * random() * 1500)
        if luck < 0.1:
            if edits > 0:
                edits -= 1
                if edits not in without:  # with dice of its own, so that one left out changes no other
                    world.random = Random(seed * 10 + edits).random
                    edit(world, kind)
                    world.random = random
        elif luck < 0.3:
            if world.shop.mail or world.chimp.mail:
                world.deliver()
        elif luck < 0.32 and not world.sure:
            world.poll()
        elif luck < 0.33:
            world.now += int(random() * 20_000)
        else:
            worker = workers[luck > 0.67]
            if worker.wake <= world.now:
                world.advance(worker)


def edit(world: World, kind: str) -> None:
    """Somebody does something on one side: mostly choose, now and then something rarer."""
    random, now, shop, chimp = world.random, world.now, world.shop, world.chimp
    key = ANN if kind != "addresses" or random() < 0.6 else BEA
    luck = random()
    if kind == "addresses" and luck > 0.7:
        return _move(world)
    if luck < 0.42:
        shopper = shop.with_address(key)
        if shopper is None:
            state = SUB if random() < 0.5 else NOT
            made = shop.add(key, NOT, None, "Ann", shop.clock(now))
            world.book.said(now, f"shop: customer {made.id} {key} appears")
            if state is SUB:
                return shop.choose(made, SUB, now)
            return shop.touch(made, now)
        what = random()
        state = SUB if what < 0.47 else UNSUB if what < 0.95 else ASKED
        return shop.choose(shopper, state, now)
    member = chimp.by_key.get(key)
    if luck < 0.8:
        if member is None:
            return chimp.join(key, now)
        if member.status is WAITING and random() < 0.7:
            return chimp.confirm(member, now)
        if member.status is IN:
            return chimp.leave(member, now, by_admin=random() < 0.4)
        return chimp.join(key, now)
    if luck < 0.86:
        shopper = shop.with_address(key)
        if shopper is not None:
            shop.rename(shopper, f"S{int(random() * 1000)}", now)
        return None
    if luck < 0.92:
        if member is not None:
            chimp.rename(member, f"M{int(random() * 1000)}", now)
        return None
    if member is None:
        return None
    if luck < 0.95:
        return chimp.archive(member, now)
    if luck < 0.98:
        return chimp.bounce(member, now, complained=random() < 0.3)
    return chimp.forget(member, now)


def _move(world: World) -> None:
    """M6, M8: a customer gets another address, or two customers become one."""
    everybody = list(world.shop.by_id.values())
    if not everybody:
        return None
    one = everybody[int(world.random() * len(everybody))]
    if len(everybody) > 1 and world.random() < 0.3:
        other = everybody[0] if one is everybody[1] else everybody[1]
        return world.shop.merge(one, other, world.now)
    if world.random() < 0.1:
        return world.shop.delete(one, world.now)
    free = [key for key in (ANN, BEA, CAT) if world.shop.with_address(key) is None]
    if not free:
        return None
    return world.shop.change_address(one, free[int(world.random() * len(free))], world.now)


def end(world: World, kind: str) -> Verdict:
    """A poll, everything worked off, then an audit; what is wrong by then is wrong for good."""
    found: list[str] = []
    world.quiet = True
    if not world.sure:
        world.poll()
    if not world.settle():
        found.append("never quiet")
    before = len(world.book.writes)
    if not world.sure:
        world.audit()
    if not world.settle():
        found.append("never quiet")
    repaired = len(world.book.writes) - before
    writes = world.shop.writes + world.chimp.writes
    keys = sorted({*world.chimp.by_key, *(each.key for each in world.shop.by_id.values())})
    ends = []
    for key in keys:
        shopper, member = world.shop.with_address(key), world.chimp.by_key.get(key)
        ending = Ending(key, shopper.state if shopper else "absent", member.status if member else "absent")
        ends.append(f"{key}: {ending.customer} / {ending.contact}")
        found += problems(world.book, ending, create_customers=kind == "creating")
        if shopper is not None and member is not None:
            found += _names(world, key, shopper.name, member.name, member.status)
    if writes > MOST_WRITES:
        found.append(f"{writes} writes")
    if repaired and kind != "addresses" and not world.book.deletions:
        found.append(f"the audit had {repaired} to repair")
    return Verdict(world, found, writes, repaired, tuple(ends))


def smallest(seed: int, problem: str, *, bugs: Bugs = SOUND) -> Verdict:
    """The history of this seed with everything left out that the problem doesn't need, and its trace."""
    without: frozenset[int] = frozenset()
    spared: frozenset[int] = frozenset()
    for n in range(8):
        if problem in live(seed, bugs=bugs, without=without | {n}, spared=spared).problems:
            without |= {n}
    for n in range(1, 40):
        if problem in live(seed, bugs=bugs, without=without, spared=spared | {n}).problems:
            spared |= {n}
    return live(seed, bugs=bugs, without=without, spared=spared, tracing=True)


def story(verdict: Verdict) -> str:
    """A history to read: who did what and when, what the engine saw and wrote, and how it ended."""
    began = verdict.world.began / 1000
    lines = []
    for line in verdict.world.book.trace:
        at, text = line.split("  ", 1)
        lines.append(f"{float(at) - began:10.3f}  {text}")
    skew = f"Mailchimp's clock is {verdict.world.chimp.skew} ms ahead"
    return "\n".join([*lines, skew, *map(str, verdict.ends), *verdict.problems])


_REACHABLE = (IN, OUT, UNASKED, WAITING)


def _names(world: World, key: str, ours: str, theirs: str, status: Any) -> list[str]:
    if status not in _REACHABLE or kind_has_moves(world):
        return []
    if ours != theirs and not (theirs == "" and world.book.deletions):  # a contact made anew has no name
        return [f"names differ: {ours} and {theirs}"]
    lasts = {side: name for _, side, whose, name in world.book.names if whose == key}
    if lasts and kind_of_world(world) and ours not in (*lasts.values(), "Ann"):
        return [f"an old name came back: {ours}"]
    return []


def kind_of_world(world: World) -> bool:
    """Whether only one address ever played."""
    return len({*world.people, *world.chimp.by_key}) < 2


def kind_has_moves(world: World) -> bool:
    return bool(world.book.moves) or len(world.shop.by_id) > 1
