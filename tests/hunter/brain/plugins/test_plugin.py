from __future__ import annotations

from math import nan
from typing import Any

import msgspec
import pytest
from fakes.brain_rows import MS, START_NS, bbo, book, decisions, random_rows, ticker, trade
from fakes.user_brains import FlowSign, WithBbo

from hunter.brain.plugins.plugin import BATCH_ROWS_MAX, PluginBrain
from hunter.brain.protocol import StateError
from hunter.brain.settings import BrainSettings
from hunter.signals.decision import Decision


def plugged(user: FlowSign | None = None, **options: Any) -> tuple[PluginBrain, FlowSign]:
    user = user or FlowSign()
    settings = BrainSettings(**{"interval_ms": 1_000, "warm_ms": 0, **options})
    return PluginBrain("BTC-USDT", user, "mine:FlowSign", settings), user


def said(direction: str, p: float, **other: Any) -> Any:
    return Decision(direction=direction, probability_up=p, horizon_ms=9, reason="", **other)  # type: ignore[arg-type]


def at(ms: int) -> int:
    return START_NS + ms * MS


def test_consecutive_trades_are_one_batch_that_another_row_ends() -> None:
    brain, user = plugged()
    for number in (1, 2, 3):
        brain.on_trade(trade(at(number), trade_id=number))
    assert user.calls == []
    brain.on_ticker(ticker(at(4)))
    brain.on_trade(trade(at(5), trade_id=4))
    brain.on_book(book(at(6)))
    batches = [("on_trades", [1, 2, 3]), ("on_trades", [4])]
    assert user.calls == [batches[0], ("on_ticker",), batches[1], ("on_book",)]


def test_decision_boundary_ends_a_batch_with_the_row_that_passed_it() -> None:
    brain, user = plugged()
    brain.on_trade(trade(at(1), trade_id=1))
    decision = brain.on_trade(trade(at(1_004), trade_id=2, sequence=12))
    assert user.calls == [("on_trades", [1, 2]), ("decide", at(1_004))]
    assert decision is not None
    assert (decision.direction, decision.confidence, decision.horizon_ms) == ("up", 0.5, 700)
    assert (decision.instrument, decision.model) == ("BTC-USDT", "mine:FlowSign")
    assert decision.boundary_ms == at(1_000) // MS
    assert decision.trade_sequence == 12
    assert decision.decided_ts_ns == at(1_007)
    assert decision.features == {"volume": 2.0}


def test_batch_is_limited() -> None:
    brain, user = plugged()
    for number in range(BATCH_ROWS_MAX + 5):
        brain.on_trade(trade(at(0), trade_id=number))
    assert [len(call[1]) for call in user.calls] == [BATCH_ROWS_MAX]


def test_bbo_goes_to_a_brain_that_takes_it() -> None:
    brain, user = plugged(WithBbo())
    assert brain.on_bbo(bbo(at(0))) is None
    assert user.calls == [("on_bbo",)]
    plain, other = plugged()
    assert plain.on_bbo(bbo(at(0))) is None
    assert other.calls == []
    assert plain.inputs["bbo"] == 1


def test_brain_is_not_asked_before_it_is_warm() -> None:
    brain, user = plugged(warm_ms=30_000)
    brain.on_trade(trade(at(0)))
    decision = brain.on_trade(trade(at(1_000)))
    assert decision is not None
    assert (decision.direction, decision.confidence) == ("flat", 0.0)
    assert decision.reason == "warming up: 1.0 s of 30.0 s"
    assert not brain.warm
    assert [call[0] for call in user.calls] == ["on_trades"]


def test_nothing_to_say_is_no_decision() -> None:
    brain, user = plugged()
    user.answer = "nothing"
    brain.on_trade(trade(at(0)))
    assert brain.on_trade(trade(at(1_000))) is None
    assert (brain.decisions, brain.errors) == (0, 0)


@pytest.mark.parametrize("method", ["on_trades", "on_book", "on_ticker", "on_bbo", "decide"])
def test_exception_abstains_once_and_is_counted(method: str) -> None:
    brain, user = plugged(WithBbo())
    user.fail_in = method
    brain.on_trade(trade(at(0)))
    for row, step in ((brain.on_bbo, bbo), (brain.on_ticker, ticker), (brain.on_book, book)):
        row(step(at(10)))  # type: ignore[operator]
    decision = brain.on_ticker(ticker(at(1_000)))
    assert decision is not None
    assert (decision.direction, decision.probability_up, decision.confidence) == ("flat", 0.5, 0.0)
    assert f"{method} raised RuntimeError: no {method} today" in decision.reason
    assert brain.errors >= 1
    user.fail_in = ""
    healed = brain.on_ticker(ticker(at(2_000)))
    assert healed is not None
    assert healed.direction != "flat"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said("up", nan), "probability_up nan"),
        (said("up", 1.5), "probability_up 1.5"),
        (said("up", 0.3), "direction up with probability_up 0.3"),
        (said("down", 0.7), "direction down with probability_up 0.7"),
        (said("long", 0.7), "direction 'long'"),
        (said("up", 0.7, features={"x": nan}), "a feature that is not finite"),
        (said("up", 0.7, regime=5), "Expected `str`, got `int` - at `$.regime`"),
        (said("up", "much"), "must be real number"),
        (said("up", 0.7, model="\udc80"), "surrogates not allowed"),
        (said("up", 0.7, features={"\udc80": 1.0}), "surrogates not allowed"),
        (msgspec.structs.replace(said("up", 0.7), reason="\udc80"), "surrogates not allowed"),
        (said("\udc80", 0.7), "direction '\\udc80'"),
        ("up", "decide returned str, expected Decision or None"),
    ],
)
def test_decision_that_is_none_abstains_and_is_counted(answer: Any, why: str) -> None:
    brain, user = plugged()
    user.answer = answer
    brain.on_trade(trade(at(0)))
    decision = brain.on_trade(trade(at(1_000)))
    assert decision is not None
    assert (decision.direction, decision.confidence) == ("flat", 0.0)
    assert why in decision.reason
    assert brain.errors == 1
    msgspec.json.encode(decision)


def test_failure_in_characters_that_cannot_be_written_is_said_and_kept() -> None:
    """A file name that is no text gives such characters; they would end the whole process."""
    brain, user = plugged()

    def raise_it(_: object) -> None:
        raise OSError("no \udc80 file\n2026-11-23 INFO all is well")

    user.on_ticker = raise_it  # type: ignore[method-assign]
    brain.on_ticker(ticker(at(0)))
    state = brain.snapshot()
    other, _ = plugged()
    other.restore(state)
    for one in (brain, other):
        decision = one.on_ticker(ticker(at(1_000)))
        assert decision is not None
        assert "no \\udc80 file\\x0a2026" in decision.reason
        msgspec.json.encode(decision)


def test_error_that_cannot_say_what_it_is_is_counted_like_any() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even that")

    def raise_it(_: object = None) -> Any:
        raise Mute

    brain, user = plugged()
    user.on_ticker = raise_it  # type: ignore[method-assign]
    user.snapshot = raise_it  # type: ignore[method-assign]
    brain.on_ticker(ticker(at(0)))
    decision = brain.on_ticker(ticker(at(1_000)))
    assert decision is not None
    assert "on_ticker raised Mute: an error that cannot say what it is" in decision.reason
    with pytest.raises(StateError, match="cannot say what it is"):
        brain.snapshot()


def test_snapshot_that_fails_in_odd_characters_says_so_in_plain_ones() -> None:
    """The text goes onto the status page."""
    brain, user = plugged()

    def raise_it() -> bytes:
        raise OSError("\udc80\n")

    user.snapshot = raise_it  # type: ignore[method-assign]
    with pytest.raises(StateError) as caught:
        brain.snapshot()
    assert str(caught.value).endswith("\\udc80\\x0a")


def test_failure_that_goes_on_for_pages_is_cut() -> None:
    brain, user = plugged()
    user.answer = said("x" * 100_000, 0.5)
    brain.on_trade(trade(at(0)))
    decision = brain.on_trade(trade(at(1_000)))
    assert decision is not None
    assert len(decision.reason) < 1_000


def test_model_of_the_users_decision_is_kept() -> None:
    brain, user = plugged()
    user.answer = said("flat", 0.5, model="mine@3")
    brain.on_trade(trade(at(0)))
    decision = brain.on_trade(trade(at(1_000)))
    assert decision is not None
    assert decision.model == "mine@3"


@pytest.mark.parametrize("cut", range(0, 300, 23))
def test_restart_from_a_snapshot_anywhere_changes_no_byte(cut: int) -> None:
    rows = random_rows(4, 300, spoil=True)
    options = {"interval_ms": 200, "warm_ms": 500}
    steady, first, second = (plugged(**options)[0] for _ in range(3))
    expected = decisions(steady, rows)
    found = decisions(first, rows[:cut])
    second.restore(first.snapshot())
    found += decisions(second, rows[cut:])
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    assert second.snapshot() == steady.snapshot()


def test_snapshot_that_fails_is_refused_and_counted() -> None:
    brain, user = plugged()
    user.fail_in = "snapshot"
    with pytest.raises(StateError, match="no snapshot today"):
        brain.snapshot()
    assert brain.errors == 1


def test_state_that_does_not_fit_is_refused() -> None:
    brain, user = plugged()
    good = brain.snapshot()
    with pytest.raises(StateError, match="start cold"):
        brain.restore(good[:-1])
    with pytest.raises(StateError, match="other settings"):
        plugged(interval_ms=5)[0].restore(good)
    user.fail_in = "restore"
    with pytest.raises(StateError, match="no restore today"):
        brain.restore(good)


def test_r13_brain_out_of_memory_is_no_failure_of_the_users_code() -> None:
    """The whole process has none left: the runner ends it, and the next one has some."""
    brain, user = plugged()

    def grow(batch: object) -> None:
        raise MemoryError

    user.on_trades = grow  # type: ignore[method-assign]
    brain.on_trade(trade(at(1)))
    with pytest.raises(MemoryError):
        brain.on_ticker(ticker(at(2)))
    assert brain.errors == 0


def test_gap_ends_a_batch_and_shows_in_the_quality() -> None:
    brain, user = plugged()
    brain.on_trade(trade(at(1), trade_id=1))
    brain.on_gap()
    assert user.calls == [("on_trades", [1])]
    decision = brain.on_trade(trade(at(1_004), trade_id=50))
    assert decision is not None
    assert decision.quality.gaps_in_window == 1


def test_state_that_is_not_text_where_text_is_expected_is_none_of_ours() -> None:
    brain, _ = plugged()
    state = bytearray(brain.snapshot())
    place = state.index(b"mine:FlowSign")
    state[place] = 0xFF
    with pytest.raises(StateError, match="start cold"):
        brain.restore(bytes(state))


def test_outlook_asks_the_users_brain_with_everything_handed_over() -> None:
    brain, user = plugged(warm_ms=0)
    user.answer = said("up", 0.7)
    brain.on_trade(trade(at(0)))
    (seen,) = brain.outlook(at(50))
    assert (seen.direction, seen.probability_up, seen.probability_move) == ("up", 0.7, None)
    user.answer = "nothing"
    (seen,) = brain.outlook(at(60))
    assert (seen.direction, seen.probability_up, seen.reason) == ("flat", 0.5, "nothing to say")
