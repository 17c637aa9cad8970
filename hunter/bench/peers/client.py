"""One other library on the load: from the socket to a user's callback, which gets its objects.

    PYTHON client.py PEER PORT COUNT MIX ARRIVALS

Run by the interpreter of the peer's own environment (`make peers`), so it imports nothing of
hunter's, and the libraries only when they are asked for. Each is used as its documentation says,
pointed at the load, with the instrument set by hand because there is no REST. Deflate is off where
the library lets us choose; uvloop is used where the library itself would.

CPU is that of all threads, from the callback of message COUNT/10 (at most 2,000) to that of the
last. One line of JSON: what it cost, and how many messages reached the user. ARRIVALS: a file for
pairs of int64 (trade id, CLOCK_MONOTONIC ns at the callback), or "-".
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

NAME = "BTC-USDT-SWAP"
CHANNELS = {"trades": ("trades",), "mix": ("trades", "books", "tickers")}
QUIET_S = 3.0


class Sink:
    """The user. `total`: messages the load sends."""

    def __init__(self, peer: str, total: int, arrivals: str) -> None:
        self.peer = peer
        self.total = total
        self.warm = min(2_000, max(1, total // 10))
        self.count = 0
        self.begun: tuple[int, int] = (0, 0)
        self.ended: tuple[int, int] = (0, 0)
        self.seen = 0
        """Messages that the library took from the wire, where that is told."""
        self._arrivals = array.array("q")
        self._path = arrivals
        self._keeps = arrivals != "-"

    def on_message(self, trade_id: Any = None) -> None:
        """One message's object has reached the user."""
        self.count = count = self.count + 1
        if self._keeps and trade_id is not None:
            self._arrivals.extend((int(trade_id), time.monotonic_ns()))
        if count == self.warm:
            self.begun = (time.process_time_ns(), time.monotonic_ns())
        elif count >= self.total:
            self.stop()

    def stop(self) -> None:
        """Everything has come, or nothing comes any more: say so and end."""
        cpu_ns, now_ns = time.process_time_ns(), time.monotonic_ns()
        if self._keeps:
            with open(self._path, "wb") as file:
                self._arrivals.tofile(file)
        messages = max(1, max(self.count, self.seen) - self.warm)
        told = {
            "peer": self.peer,
            "version": version(DISTRIBUTIONS[self.peer]),
            "python": platform.python_version(),
            "delivered": self.count,
            "cpu_us_per_message": round((cpu_ns - self.begun[0]) / messages / 1e3, 3),
            "messages_per_s": int(messages / max(1, now_ns - self.begun[1]) * 1e9),
        }
        os.write(1, json.dumps(told).encode() + b"\n")
        os._exit(0)  # their threads and loops are not waited for

    def give_up_when_quiet(self) -> None:
        """What was dropped on the way never comes."""
        last = -1

        def look(*_: object) -> None:
            nonlocal last
            now = max(self.count, self.seen)
            if now and now == last:
                self.stop()
            last = now

        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, QUIET_S, QUIET_S)


def run_websockets(url: str, mix: str, sink: Sink) -> None:
    """websockets and msgspec: typed decoding, no book kept."""
    connect = import_module("websockets.asyncio.client").connect
    msgspec = import_module("msgspec")
    level = tuple[float, float, str, str]
    trade = msgspec.defstruct(
        "Trade",
        [("tradeId", int), ("px", float), ("sz", float), ("side", str), ("ts", int)],
        gc=False,
    )
    book = msgspec.defstruct(
        "Book", [("asks", list[level]), ("bids", list[level]), ("ts", int), ("seqId", int)]
    )
    ticker = msgspec.defstruct(
        "Ticker", [(name, float) for name in ("last", "bidPx", "bidSz", "askPx", "askSz")]
    )

    def decoder(item: type) -> Callable[[bytes], Any]:
        push = msgspec.defstruct("Push", [("data", list[item])])  # type: ignore[valid-type]
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(push, strict=False).decode
        return decode

    # {"arg":{"channel":"X: the letter at 20 tells them apart
    decoders = {ord("r"): decoder(trade), ord("o"): decoder(book), ord("i"): decoder(ticker)}

    async def main() -> None:
        args = [{"channel": channel, "instId": NAME} for channel in CHANNELS[mix]]
        async with connect(url, compression=None, max_size=None, proxy=None) as socket:
            await socket.send(json.dumps({"op": "subscribe", "args": args}))
            while True:
                payload = await socket.recv(decode=False)
                if payload[2] != ord("a"):
                    continue  # an acknowledgement
                kind = payload[20]
                for item in decoders[kind](payload).data:
                    sink.on_message(item.tradeId if kind == ord("r") else None)

    asyncio.run(main())


def run_cryptofeed(url: str, mix: str, sink: Sink) -> None:
    """Its OKX feed with its own connection and callbacks; its book is kept, without checksums."""
    connection = import_module("cryptofeed.connection")
    defines = import_module("cryptofeed.defines")
    symbols = import_module("cryptofeed.symbols")
    exchanges = import_module("cryptofeed.exchanges")
    swap = symbols.Symbol("BTC", "USDT", type="perpetual")
    symbols.Symbols.set(
        exchanges.OKX.id,
        {swap.normalized: NAME},
        {
            "tick_size": {swap.normalized: "0.1"},
            "instrument_type": {swap.normalized: "perpetual"},
        },
    )
    original = connection.WSAsyncConn.__init__

    def to_load(self: Any, _: str, conn_id: str, **options: Any) -> None:
        original(self, "wss://placeholder", conn_id, **options)
        self.address = url

    connection.WSAsyncConn.__init__ = to_load

    async def on_trade(item: Any, _: float) -> None:
        sink.on_message(item.id)

    async def on_other(_: Any, __: float) -> None:
        sink.on_message()

    callbacks = {defines.TRADES: on_trade}
    if mix == "mix":
        callbacks |= {defines.L2_BOOK: on_other, defines.TICKER: on_other}

    async def main() -> None:
        feed = exchanges.OKX(
            symbols=[swap.normalized],
            channels=list(callbacks),
            callbacks=callbacks,
            checksum_validation=False,
        )
        feed.start(asyncio.get_running_loop())
        await asyncio.sleep(3_600)

    run = asyncio.run
    if _has("uvloop"):
        uvloop = import_module("uvloop")
        uvloop.install()
    run(main())


def run_ccxt(url: str, mix: str, sink: Sink) -> None:
    """ccxt pro: `watch_*` in a loop. Its cache is as large as the run: with its default of 1,000 a
    burst reaches the user only in part, without an error.
    """
    pro = import_module("ccxt.pro")

    class Okx(pro.okx):  # type: ignore[misc,name-defined]
        def handle_message(self, client: Any, message: Any) -> None:
            super().handle_message(client, message)
            if isinstance(message, dict) and "event" not in message:
                sink.seen += 1

    async def main() -> None:
        options = {"tradesLimit": max(1_000, sink.total), "ws": {"options": {}}}
        exchange = Okx({"options": options, "enableRateLimit": False})
        exchange.urls["api"]["ws"] = url
        market = {
            "id": NAME, "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT",
            "settle": "USDT", "baseId": "BTC", "quoteId": "USDT", "settleId": "USDT",
            "type": "swap", "spot": False, "swap": True, "future": False, "option": False,
            "margin": False, "active": True, "contract": True, "linear": True, "inverse": False,
            "contractSize": 0.01, "precision": {"amount": 0.01, "price": 0.1}, "limits": {},
            "info": {},
        }  # fmt: skip
        exchange.set_markets([exchange.safe_market_structure(market)])
        symbol = "BTC/USDT:USDT"

        async def trades() -> None:
            while True:
                for item in await exchange.watch_trades(symbol):
                    sink.on_message(item["id"])

        async def others(watch: Callable[[str], Any]) -> None:
            while True:
                await watch(symbol)
                sink.on_message()

        loops = [trades()]
        if mix == "mix":
            loops += [others(exchange.watch_order_book), others(exchange.watch_ticker)]
        await asyncio.gather(*loops)

    asyncio.run(main())


def run_nautilus(url: str, mix: str, sink: Sink) -> None:
    """nautilus_trader's OKX client, and what its adapter does up to the data engine."""
    core = import_module("nautilus_trader.core.nautilus_pyo3")
    to_data = import_module("nautilus_trader.model.data").capsule_to_data
    swap = core.InstrumentId.from_str(f"{NAME}.OKX")
    usdt, btc = core.Currency.from_str("USDT"), core.Currency.from_str("BTC")
    instrument = core.CryptoPerpetual(
        swap, core.Symbol(NAME), btc, usdt, usdt, False, 1, 8,
        core.Price.from_str("0.1"), core.Quantity.from_str("0.00000001"), 0, 0,
    )  # fmt: skip

    def on_data(message: Any) -> None:
        if core.is_pycapsule(message):
            item = to_data(message)
            found = getattr(item, "trade_id", None)
            sink.on_message(None if found is None else found.value)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        client = core.OKXWebSocketClient(url=url)
        try:
            await client.connect(loop_=loop, instruments=[instrument], callback=on_data)
        except TypeError:  # releases before 1.223
            await client.connect(instruments=[instrument], callback=on_data)
        await client.wait_until_active(timeout_secs=10.0)
        await client.subscribe_trades(swap, aggregated=False)
        if mix == "mix":
            await client.subscribe_book(swap)
            await client.subscribe_ticker(swap)
        await asyncio.sleep(3_600)

    asyncio.run(main())


def _has(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


PEERS: dict[str, Callable[[str, str, Sink], None]] = {
    "websockets": run_websockets,
    "cryptofeed": run_cryptofeed,
    "ccxt": run_ccxt,
    "nautilus": run_nautilus,
}
DISTRIBUTIONS = {
    "websockets": "websockets",
    "cryptofeed": "cryptofeed",
    "ccxt": "ccxt",
    "nautilus": "nautilus_trader",
}


def main(peer: str, port: str, count: str, mix: str, arrivals: str) -> None:
    sink = Sink(peer, int(count), arrivals)
    sink.give_up_when_quiet()
    PEERS[peer](f"ws://127.0.0.1:{port}/ws/v5/public", mix, sink)


if __name__ == "__main__":
    main(*sys.argv[1:])
