"""What drives the exchange: the synthetic markets, or a recording at some speed."""

from __future__ import annotations

import asyncio
from typing import Final

from hunter.simulator.exchange import Exchange
from hunter.simulator.frames import Push, trade_push
from hunter.simulator.lines import Counts
from hunter.simulator.market import Market, Resume
from hunter.simulator.publicdata import PublicData
from hunter.simulator.recording import Recording

BATCH_FRAMES_MAX: Final = 64
_TICK_S_MIN: Final = 0.001
_TICK_S_MAX: Final = 0.05  # a market that rests may be woken
# After a restart the book's numbers go on beyond anything the run before may have used.
_RESUME_SEQ_STEP: Final = 1_000_000


def open_markets(exchange: Exchange) -> list[Market]:
    """One market per instrument, continued from the ledger where it knows the instrument."""
    options, now_ns = exchange.options, exchange.clock.wall_ns()
    markets = []
    for name in options.instruments:
        last = exchange.ledger.last(name)
        resume = last and Resume(last.trade_id, last.seq_id + _RESUME_SEQ_STEP, last.price)
        if last is not None:
            exchange.instruments[name].apply(trade_push(name, last), exchange.clock.monotonic_ns())
        item = exchange.listings[name]
        market = Market(item, options.rate, options.seed, now_ns, resume, options.checksum)
        exchange.dispatch(market.advance(now_ns))
        exchange.market_faults.markets[name] = market
        markets.append(market)
    exchange.public_data = PublicData(exchange.market_faults.markets, options.seed)
    return markets


async def run_markets(exchange: Exchange, markets: list[Market]) -> None:
    """Advance the markets as the wall clock goes; ends only by cancellation."""
    clock = exchange.clock
    exchange.source = {"kind": "market", "seed": exchange.options.seed}
    # Wall time at the start and monotonic from there: a stepped host clock does not stop it.
    offset_ns = clock.wall_ns() - clock.monotonic_ns()
    while True:
        now_ns = clock.monotonic_ns() + offset_ns
        pushes: list[Push] = []
        for market in markets:
            pushes += market.advance(now_ns)
        if exchange.public_data is not None:
            pushes += exchange.public_data.advance(now_ns, exchange.wanted())
        if pushes:
            exchange.dispatch(pushes)
        due_ns = min(market.next_due_ns() for market in markets)
        wait_ns = due_ns - clock.monotonic_ns() - offset_ns
        await asyncio.sleep(min(_TICK_S_MAX, max(_TICK_S_MIN, wait_ns / 1e9)))


async def run_replay(exchange: Exchange, recording: Recording) -> None:
    """Play the recording once; its clock starts after the first subscribe request was handled."""
    counts = Counts()
    exchange.source = {"kind": "replay", "state": "waiting for a subscriber"}
    await exchange.subscribed.wait()
    exchange.source["state"] = "playing"
    exchange.is_playing = True
    if exchange.options.speed is None:
        await _play_freely(exchange, recording, counts)
    else:
        await _play_paced(exchange, recording, counts, exchange.options.speed)
    exchange.is_playing = False
    exchange.source.update(
        state="over",
        frames=counts.frames,
        skipped=counts.skipped,
        malformed=counts.malformed,
        torn=counts.torn,
    )


async def _play_freely(exchange: Exchange, recording: Recording, counts: Counts) -> None:
    """As fast as the slowest reader reads; waits while nobody is subscribed."""
    batch: list[Push] = []
    for _, push in recording.pushes(counts):
        batch.append(push)
        if len(batch) == BATCH_FRAMES_MAX:
            await exchange.room()
            exchange.dispatch(batch)
            batch = []
            await asyncio.sleep(0)
    await exchange.room()
    exchange.dispatch(batch)


async def _play_paced(
    exchange: Exchange, recording: Recording, counts: Counts, speed: float
) -> None:
    """Each frame when it is due; what is due together goes out together."""
    clock = exchange.clock
    start_ns = clock.monotonic_ns()
    first_ns: int | None = None
    now_ns = start_ns
    batch: list[Push] = []
    for received_ns, push in recording.pushes(counts):
        if first_ns is None:
            first_ns = received_ns
        due_ns = start_ns + int((received_ns - first_ns) / speed)
        if due_ns > now_ns or len(batch) >= BATCH_FRAMES_MAX:
            exchange.dispatch(batch)
            batch = []
            now_ns = clock.monotonic_ns()
            await asyncio.sleep(max(0.0, (due_ns - now_ns) / 1e9))
            now_ns = clock.monotonic_ns()
        batch.append(push)
    exchange.dispatch(batch)
