"""Mates: their brains are given both instruments' rows as they came, also after a kill."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import msgspec
import pytest
from fakes.brain_rows import Row, random_rows
from fakes.brain_stage import Head, put

from hunter.brain import load as load_module
from hunter.brain.checkpoint import Checkpoint, CheckpointStore
from hunter.brain.flow import FlowBrain
from hunter.brain.group import Missed, TrackedGroup, introduce, row_handlers
from hunter.brain.inputs import TradeRow
from hunter.brain.protocol import StateError
from hunter.brain.tracked import RingTracked
from hunter.ring import segment
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.signals.decision import Decision
from hunter.signals.signal import encode_signal

SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"
PAIR = f'okx.instruments=["{SPOT}", "ETH-USDT", "{SWAP}"]'
PLACES = {SPOT: 0, SWAP: 2}  # in the ring


def market(seed: int) -> list[Row]:
    """Without a hole in its trade ids."""
    found, trade_id = [], 1_000
    for row in random_rows(seed, 900, step_ms=200):
        if isinstance(row, TradeRow):
            trade_id += row.count
            row = row._replace(trade_id=trade_id)
        found.append(row)
    return found


MARKETS = {SPOT: market(1), SWAP: market(2)}


class MindfulBrain(FlowBrain):
    """Says how much its mate has seen: one row more or less, and its signals differ."""

    __slots__ = ()

    def _decide(self, exchange_ts_ns: int, received_ts_ns: int) -> Decision:
        said = super()._decide(exchange_ts_ns, received_ts_ns)
        assert self.mate is not None
        seen = float(sum(self.mate.inputs.values()) + 10_000 * self.mate.decisions)
        return msgspec.structs.replace(said, features=said.features | {"mate_seen": seen})


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    monkeypatch.setattr(load_module, "FlowBrain", MindfulBrain)
    made = Head(PAIR, "brain.kind=flow", "okx.channels=['trades','bbo-tbt','tickers','books']")
    yield made
    made.close()


class Dealer:
    """Puts rows of both markets as the dice fall."""

    def __init__(self, there: Head, seed: int) -> None:
        self._there, self._dice = there, random.Random(seed)
        self._at = {SPOT: 0, SWAP: 0}
        self.order: list[str] = []

    def deal(self, row_count: int) -> None:
        for _ in range(row_count):
            names = [name for name, at in self._at.items() if at < len(MARKETS[name])]
            if not names:
                break
            name = self._dice.choice(names)
            put(self._there.writer, MARKETS[name][self._at[name]], PLACES[name])
            self._at[name] += 1
            self.order.append(name)
        self._there.writer.publish()


def group_of(ring: RingTracked) -> TrackedGroup:
    pair, other = ring.groups
    assert [member.name for member in pair.members] == [SPOT, SWAP]
    assert [member.name for member in other.members] == ["ETH-USDT"]
    return pair


def ring_of(there: Head) -> RingTracked:
    return RingTracked(there.stage.ring_path(), there.stage.config)


def brain_of(group: TrackedGroup, number: int) -> FlowBrain:
    brain = group.members[number].brain
    assert isinstance(brain, FlowBrain)
    return brain


def test_brains_of_mates_are_introduced_and_given_rows_as_they_came(there: Head) -> None:
    ring = ring_of(there)
    pair = group_of(ring)
    assert brain_of(pair, 0).mate is brain_of(pair, 1)
    assert brain_of(pair, 1).mate is brain_of(pair, 0)
    assert ring.changed() == [pair, ring.groups[1]], "each once at the first look"
    dealer = Dealer(there, 1)
    dealer.deal(60)
    assert ring.changed() == [pair], "once, though both have news"
    rows, missed = pair.poll(512)
    assert [pair.member_of(place).name for place, _ in rows] == dealer.order
    assert (missed, pair.arrival) == ((), 60)
    for place, row in rows:
        pair.handlers[place](row)
    counts = [sum(brain_of(pair, number).inputs.values()) for number in (0, 1)]
    assert counts == [dealer.order.count(SPOT), dealer.order.count(SWAP)]
    assert sum(pair.counts()[:4]) == 60


def test_checkpoint_is_of_both_mates_at_one_moment(there: Head) -> None:
    ring, dealer = ring_of(there), Dealer(there, 2)
    pair = group_of(ring)
    dealer.deal(300)
    for _ in range(9):
        rows, _ = pair.poll(5)
        for place, row in rows:
            pair.handlers[place](row)
    ring.save()
    rest = [(place, row[1]) for _ in range(3) for place, row in pair.poll(512)[0]]
    again = ring_of(there)
    assert again.restore() == "restored from its checkpoint"
    back = group_of(again)
    assert 0 < back.arrival < 300
    seen = sum(sum(brain_of(back, number).inputs.values()) for number in (0, 1))
    assert seen == back.arrival, "no row of either is in a brain beyond it, none is missing"
    assert [(place, row[1]) for _ in range(3) for place, row in back.poll(512)[0]] == rest


def test_mates_start_cold_together(there: Head) -> None:
    ring, dealer = ring_of(there), Dealer(there, 3)
    dealer.deal(100)
    for place, row in group_of(ring).poll(512)[0]:
        group_of(ring).handlers[place](row)
    ring.save()
    store = CheckpointStore(there.stage.config.data_dir / "checkpoints" / "ring-0")
    kept = store.load(ring.config_hash, ring.layout.ring_id)
    assert kept is not None
    spot, swap = kept.groups[0].members
    replace = msgspec.structs.replace
    for members in ((spot, replace(swap, brain=b"no state")), (spot,), (swap, spot), ()):
        part = replace(kept.groups[0], members=members)
        store.save(Checkpoint(kept.config_hash, kept.ring_id, (part, kept.groups[1])))
        again = ring_of(there)
        told = again.restore()
        if members != (swap, spot):
            assert told == f"cold: {SPOT}, {SWAP}"
        back = group_of(again)
        assert [brain_of(back, number).inputs["trades"] for number in (0, 1)] == [0, 0]
        assert brain_of(back, 0).mate is brain_of(back, 1)
        assert [group.name for group in again.changed()] == [f"{SPOT} and {SWAP}", "ETH-USDT"]
        assert len(back.poll(512)[0]) == 100
        assert again.groups[0] is back


def test_gap_of_one_mate_is_told_to_its_brain_alone(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, dealer = ring_of(there), Dealer(there, 4)
    pair = group_of(ring)
    told: list[str] = []
    monkeypatch.setattr(FlowBrain, "on_gap", lambda brain: told.append(brain.instrument))
    dealer.deal(40)
    start = ring.layout.lane_offset(PLACES[SWAP], Kind.TRADE)
    with segment.attach(there.stage.ring_path(), writable=True) as writable:
        writable.view[start + ROW_BYTES[Kind.TRADE] + 40] ^= 1
    rows, missed = pair.poll(512)
    assert (len(rows), missed) == (39, [Missed(SWAP, 0, 1)])
    assert told == [SWAP]
    assert [member.gap for member in pair.members] == [False, False]
    assert pair.counts()[5:7] == (0, 1)


def test_gap_waits_for_a_row_of_its_own_instrument(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = ring_of(there)
    pair = group_of(ring)
    told: list[str] = []
    monkeypatch.setattr(FlowBrain, "on_gap", lambda brain: told.append(brain.instrument))
    put(there.writer, MARKETS[SWAP][0], PLACES[SWAP])
    there.writer.publish()
    kind = next(kind for kind in Kind if there.writer.lanes.position(PLACES[SWAP], kind))
    start = ring.layout.lane_offset(PLACES[SWAP], kind)
    with segment.attach(there.stage.ring_path(), writable=True) as writable:
        writable.view[start + 40] ^= 1
    assert pair.poll(512) == ([], [Missed(SWAP, 0, 1)])
    put(there.writer, MARKETS[SPOT][0], PLACES[SPOT])
    there.writer.publish()
    assert len(pair.poll(512)[0]) == 1
    assert (told, pair.members[1].gap) == ([], True)
    ring.save()
    again = ring_of(there)
    again.restore()
    put(there.writer, MARKETS[SWAP][1], PLACES[SWAP])
    there.writer.publish()
    assert len(group_of(again).poll(512)[0]) == 1
    assert (told, group_of(again).members[1].gap) == ([SWAP], False)


def test_users_brains_are_given_named_rows_and_not_introduced() -> None:
    def taken(row: object) -> Decision:
        return Decision(direction="flat", probability_up=0.5, horizon_ms=1, reason=repr(row))

    brain = SimpleNamespace(on_trade=taken, on_bbo=taken, on_ticker=taken, on_book=taken)
    introduce(brain, brain)  # type: ignore[arg-type]
    handlers = row_handlers(brain)  # type: ignore[arg-type]
    said = [handlers[kind](tuple(range(size))) for kind, size in enumerate((11, 11, 17, 90))]
    names = [one.reason.partition("(")[0] for one in said if one is not None]
    assert names == ["TradeRow", "BboRow", "TickerRow", "BookRow"]


def test_brain_without_a_state_gives_the_groups_part_up(
    there: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: FlowBrain) -> bytes:
        raise StateError("none")

    ring = ring_of(there)
    monkeypatch.setattr(MindfulBrain, "snapshot", refuse)
    group_of(ring).counts()
    with pytest.raises(StateError):
        ring.save()
    assert group_of(ring).counted is None, "a brain may count that as an error"
    assert not ring.is_saving


@pytest.mark.parametrize("seed", range(4))
def test_mates_killed_at_any_rows_tell_what_they_would_have_told(
    there: Head, seed: int, journal_of: Callable[..., list[bytes]]
) -> None:
    print("seed", seed)
    dice, dealer = random.Random(seed), Dealer(there, seed)
    actor, kills = there.start(), 0
    while len(dealer.order) < sum(map(len, MARKETS.values())):
        dealer.deal(dice.choice((1, 7, 40, 200)))
        there.read(actor)
        what = dice.random()
        if what < 0.35:
            there.save(actor)
        elif what < 0.6:
            there.kill(actor)
            actor, kills = there.start(), kills + 1
            there.read(actor)
    assert kills > 2
    whole = there.elsewhere("whole")
    there.read(there.start(whole))
    expected = journal_of(there, whole)
    assert len(expected) > 20
    assert any(b'"mate_seen"' in line for line in expected)
    assert journal_of(there, None) == expected


@pytest.fixture
def journal_of() -> Callable[..., list[bytes]]:
    def lines(there: Head, config: object) -> list[bytes]:
        signals = there.journal(config)  # type: ignore[arg-type]
        return [encode_signal(msgspec.structs.replace(s, latency_us=0.0)) for s in signals]

    return lines
