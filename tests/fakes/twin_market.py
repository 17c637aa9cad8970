"""A market in frames for twin streams: right ones, and each way of being wrong by name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from fakes.twin_streams import INSTRUMENTS
from fakes.websocket_peer import frame
from websockets.frames import Opcode

Levels = list[list[str]]


class Book:
    """One instrument: its matches, its levels, its ids."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trade_id = 1_000
        self.seq_id = 5_000
        self.bids: dict[int, int] = {1_000 - step: 10 + step for step in range(30)}
        self.asks: dict[int, int] = {1_001 + step: 10 + step for step in range(30)}

    def side(self, levels: dict[int, int], sign: int, count: int = 400) -> Levels:
        best = sorted(levels, key=lambda price: sign * price)[:count]
        return [[f"{price / 10:g}", f"{levels[price]}", "0", "1"] for price in best]

    def top(self, count: int) -> tuple[Levels, Levels]:
        return self.side(self.bids, -1, count), self.side(self.asks, 1, count)


class Market:
    """`frame_of(kind)` is the next frame of that kind, WebSocket header and all."""

    def __init__(self, seed: int, channels: tuple[str, ...]) -> None:
        self.random = random.Random(seed)
        self.channels = channels
        self.books = {name: Book(name) for name in INSTRUMENTS}
        self.now_ms = 1_790_000_000_000
        self.kinds: dict[str, Callable[[Book], bytes]] = {
            name.removeprefix("_on_"): getattr(self, name)
            for name in dir(self)
            if name.startswith("_on_")
        }

    def opening(self) -> bytes:
        """Acknowledgements and the present state of everything, as after a subscription."""
        found = b""
        for name in INSTRUMENTS:
            for channel in self.channels:
                arg = {"channel": channel, "instId": name}
                found += frame(json.dumps({"event": "subscribe", "arg": arg}).encode())
            for kind in ("trade", "ticker", "quote", "snapshot", "top5"):
                found += self.frame_of(kind, name)
        return found

    def frame_of(self, kind: str, name: str | None = None) -> bytes:
        self.now_ms += self.random.randrange(3)
        return self.kinds[kind](self.books[name or self.random.choice(INSTRUMENTS)])

    def _push(self, book: Book, channel: str, data: Any, action: str = "", **more: Any) -> bytes:
        if channel not in self.channels:
            return b""
        message: dict[str, Any] = {"arg": {"channel": channel, "instId": book.name}}
        if action:
            message["action"] = action
        message |= {"data": data, **more}
        return frame(json.dumps(message, separators=(",", ":")).encode())

    # ---- matches

    def _trade(self, book: Book, **changes: Any) -> dict[str, Any]:
        count = self.random.choice((1, 1, 1, 2, 7))
        book.trade_id += count
        return {
            "instId": book.name,
            "tradeId": f"{book.trade_id}",
            "px": f"{100 + self.random.randrange(50) / 10:g}",
            "sz": f"{self.random.randrange(1, 900) / 100:g}",
            "side": self.random.choice(("buy", "sell")),
            "ts": f"{self.now_ms}",
            "count": f"{count}",
            "source": self.random.choice("0001"),
            "seqId": book.seq_id,
        } | changes

    def _on_trade(self, book: Book) -> bytes:
        return self._push(book, "trades", [self._trade(book)])

    def _on_trades(self, book: Book) -> bytes:
        return self._push(book, "trades", [self._trade(book) for _ in range(3)])

    def _on_trades_with_a_hole(self, book: Book) -> bytes:
        first = self._trade(book)
        self._trade(book)
        return self._push(book, "trades", [first, self._trade(book)])

    def _on_hole(self, book: Book) -> bytes:
        self._trade(book)
        return b""

    def _on_old_trade(self, book: Book) -> bytes:
        trade = self._trade(book)
        book.trade_id -= int(trade["count"])
        old = trade | {"tradeId": f"{book.trade_id - self.random.randrange(4)}"}
        return self._push(book, "trades", [old])

    def _on_overlapping_trade(self, book: Book) -> bytes:
        trade = self._trade(book)
        return self._push(book, "trades", [trade | {"count": f"{int(trade['count']) + 2}"}])

    def _on_restart_of_ids(self, book: Book) -> bytes:
        self.now_ms += 20_000
        book.trade_id = 10
        return b"".join(self._on_trade(book) for _ in range(4))

    def _on_jump_of_ids(self, book: Book) -> bytes:
        book.trade_id += 600_000
        return b"".join(self._on_trade(book) for _ in range(self.random.choice((1, 2, 4))))

    def _on_no_trades(self, book: Book) -> bytes:
        return self._push(book, "trades", [])

    def _on_malformed_trade(self, book: Book) -> bytes:
        changes = self.random.choice(
            ({"px": "-1"}, {"sz": "0"}, {"side": "hold"}, {"ts": ""}, {"count": "0"}, {"px": "x"})
        )
        return self._push(book, "trades", [self._trade(book, **changes)])

    def _on_odd_trade(self, book: Book) -> bytes:
        """Right, but not as the exchange writes it."""
        changes = self.random.choice(
            (
                {"px": "1e2"},
                {"sz": "0.30000000000000004"},
                {"px": "123456.123456789012345678"},
                {"note": "\u00e9\t"},
                {"more": {"a": [1]}},
                {"source": "0"},
                {"count": 1},
            )
        )
        trade = self._trade(book)
        if changes.get("count"):
            book.trade_id += 1 - int(trade["count"])
            changes["tradeId"] = f"{book.trade_id}"
        items = list((trade | changes).items())
        self.random.shuffle(items)
        return self._push(book, "trades", [dict(items)], later="1")

    # ---- tickers

    def _on_ticker(self, book: Book) -> bytes:
        bids, asks = book.top(1)
        ticker = {"instType": "SWAP", "instId": book.name, "last": "100.1", "lastSz": "0.4"}
        ticker |= {"askPx": asks[0][0] if asks else "", "askSz": "", "bidPx": "", "bidSz": "1"}
        ticker |= {"open24h": "90", "high24h": "120", "low24h": "80.5", "vol24h": "7e3"[:1]}
        ticker |= {"volCcy24h": "1.5", "ts": f"{self.now_ms - self.random.randrange(4)}"}
        if bids:
            ticker["bidPx"] = bids[0][0]
        return self._push(book, "tickers", [ticker])

    def _on_bad_ticker(self, book: Book) -> bytes:
        return self._push(book, "tickers", [{"last": "0", "askPx": "", "bidPx": "", "ts": "1"}])

    # ---- quotes

    def _quote(self, book: Book, bids: Levels, asks: Levels, channel: str = "bbo-tbt") -> bytes:
        quote = {"asks": asks, "bids": bids, "ts": f"{self.now_ms}", "seqId": book.seq_id}
        return self._push(book, channel, [quote])

    def _on_quote(self, book: Book) -> bytes:
        return self._quote(book, *book.top(1))

    def _on_empty_quote(self, book: Book) -> bytes:
        return self._quote(book, [], self.random.choice(([], [["100.1", "0", "0", "0"]])))

    def _on_wrong_quote(self, book: Book) -> bytes:
        """Of a price that the book has: twice, and it is believed."""
        bids, asks = book.top(1)
        if bids:
            bids[0][1] = "77.7"
        return self._quote(book, bids, asks)

    def _on_quote_of_another_price(self, book: Book) -> bytes:
        bids, asks = book.top(1)
        return self._quote(book, bids, [["500", "1", "0", "1"], *asks][:1])

    def _on_quote_before_its_book(self, book: Book) -> bytes:
        """Of an id that the book is about to reach; a wrong one now and then."""
        quoted = Book(book.name)
        quoted.bids, quoted.asks, quoted.seq_id = dict(book.bids), dict(book.asks), book.seq_id
        update = self._on_update(book)
        quoted.seq_id = book.seq_id
        right = self.random.random() < 0.8
        told = (book if right else quoted).top(1)
        quoted.bids, quoted.asks = {}, {}
        return self._quote(quoted, *told) + update

    def _on_top5(self, book: Book) -> bytes:
        return self._quote(book, *book.top(5), channel="books5")

    def _on_top5_before_its_book(self, book: Book) -> bytes:
        update = self._on_update(book)
        return self._on_top5(book) + update

    def _on_wrong_top5_before_its_book(self, book: Book) -> bytes:
        """It waits, and then contradicts."""
        update = self._on_update(book)
        return self._on_wrong_top5(book) + update

    def _on_crossed_top5(self, book: Book) -> bytes:
        """As in a call auction; the same price on both sides, or worse."""
        book.seq_id += 1
        bids, asks = book.top(5)
        price = self.random.choice(("100.1", "103.2")) if not asks else asks[0][0]
        best = self.random.choice((price, f"{float(price) + 1:g}"))
        return self._quote(book, [[best, "1", "0", "1"], *bids[:4]], asks, channel="books5")

    def _on_older_top5(self, book: Book) -> bytes:
        """Its ids went back, and go on from there."""
        book.seq_id -= self.random.randrange(1, 9)
        return self._on_top5(book)

    def _on_repeated_quote(self, book: Book) -> bytes:
        """Of one id, but not of one size: it is compared once."""
        right = self._on_quote(book)
        return right + right + self._on_wrong_quote(book) + right

    def _on_wrong_top5(self, book: Book) -> bytes:
        bids, asks = book.top(5)
        if asks:
            asks[-1] = [asks[-1][0], "3.25", "0", "1"]
        return self._quote(book, bids, asks, channel="books5")

    def _on_top6(self, book: Book) -> bytes:
        return self._quote(book, *book.top(6), channel="books5")

    def _on_top6_before_its_book(self, book: Book) -> bytes:
        update = self._on_update(book)
        return self._on_top6(book) + update

    def _on_top5_out_of_order(self, book: Book) -> bytes:
        bids, asks = book.top(5)
        return self._quote(book, bids[::-1], asks, channel="books5")

    # ---- books

    def _on_snapshot(self, book: Book) -> bytes:
        bids, asks = book.top(400)
        data = {"asks": asks, "bids": bids, "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": -1}
        return self._push(book, "books", [data], "snapshot")

    def _changes(self, book: Book) -> tuple[Levels, Levels]:
        """Of both sides; the best prices move, and never cross."""
        told: tuple[Levels, Levels] = ([], [])
        middle = self.random.randrange(995, 1_006)
        for levels, sign, side in ((book.bids, -1, told[0]), (book.asks, 1, told[1])):
            for price in [price for price in levels if sign * (price - middle) < 0]:
                del levels[price]
                side.append([f"{price / 10:g}", "0", "0", "0"])
            for _ in range(self.random.randrange(4)):
                price = middle + sign * self.random.randrange(1, 25)
                size = self.random.choice((0, 1, 2, 30))
                side.append([f"{price / 10:g}", f"{size}", "0", "1"])
                levels.pop(price, None)
                if size:
                    levels[price] = size
        return told

    def _update(self, book: Book, **changes: Any) -> bytes:
        prev = book.seq_id
        book.seq_id += self.random.randrange(1, 9)
        bids, asks = self._changes(book)
        data = {"asks": asks, "bids": bids, "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": prev} | changes
        return self._push(book, "books", [data], "update")

    def _on_update(self, book: Book) -> bytes:
        return self._update(book)

    def _on_update_with_checksum(self, book: Book) -> bytes:
        return self._update(book, checksum=1234)

    def _on_update_missing(self, book: Book) -> bytes:
        self._update(book)
        return self._update(book)

    def _on_update_that_repeats_a_level(self, book: Book) -> bytes:
        prev = book.seq_id
        book.seq_id += 1
        book.asks[1_030] = 5
        asks = [["103", "9", "0", "1"], ["103", "0", "0", "1"], ["103", "5", "0", "1"]]
        data = {"asks": asks, "bids": [], "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": prev}
        return self._push(book, "books", [data], "update")

    def _on_crossing_update(self, book: Book) -> bytes:
        prev = book.seq_id
        book.seq_id += 1
        data = {"asks": [["1", "1", "0", "1"]], "bids": [], "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": prev}
        return self._push(book, "books", [data], "update")

    def _on_emptying_update(self, book: Book) -> bytes:
        asks = [[level[0], "0", "0", "0"] for level in book.side(book.asks, 1)]
        prev = book.seq_id
        book.seq_id += 1
        book.asks.clear()
        data = {"asks": asks, "bids": [], "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": prev}
        return self._push(book, "books", [data], "update")

    def _on_keepalive(self, book: Book) -> bytes:
        data = {"asks": [], "bids": [], "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": book.seq_id}
        return self._push(book, "books", [data], "update")

    def _on_reset_of_ids(self, book: Book) -> bytes:
        prev = book.seq_id
        book.seq_id = self.random.choice((100, prev - 2))
        data = {"asks": [], "bids": [["50", "1", "0", "1"]], "ts": f"{self.now_ms}", "checksum": 0}
        data |= {"seqId": book.seq_id, "prevSeqId": prev}
        book.bids[500] = 1
        return self._push(book, "books", [data], "update")

    def _on_malformed_book(self, book: Book) -> bytes:
        data = [{"asks": [["0", "1"]], "bids": [], "ts": "1"}]
        return self._push(book, self.random.choice(("books", "books5", "bbo-tbt")), data, "update")

    def _on_two_updates(self, book: Book) -> bytes:
        prev = book.seq_id
        book.seq_id += 2
        data = [
            {
                "asks": [],
                "bids": [["90", f"{seq}", "0", "1"]],
                "ts": f"{self.now_ms}",
                "checksum": 0,
                "seqId": seq,
                "prevSeqId": seq - 1,
            }
            for seq in (prev + 1, prev + 2)
        ]
        book.bids[900] = prev + 2
        return self._push(book, "books", data, "update")

    # ---- everything else

    def _on_pong(self, _: Book) -> bytes:
        return frame(b"pong")

    def _on_ping_of_the_protocol(self, _: Book) -> bytes:
        return frame(b"?", Opcode.PING)

    def _on_notice(self, _: Book) -> bytes:
        return frame(b'{"event":"notice","code":"1","msg":"nothing"}')

    def _on_error(self, _: Book) -> bytes:
        return frame(b'{"event":"error","code":"63999","msg":"internal"}')

    def _on_ack(self, book: Book) -> bytes:
        arg = {"channel": self.random.choice(self.channels), "instId": book.name}
        event = self.random.choice(("subscribe", "unsubscribe"))
        return frame(json.dumps({"event": event, "arg": arg}).encode())

    def _on_refusal(self, book: Book) -> bytes:
        msg = f"wrong URL or channel:{self.random.choice(self.channels)},instId:{book.name}"
        return frame(json.dumps({"event": "error", "code": "60018", "msg": msg}).encode())

    def _on_garbage(self, _: Book) -> bytes:
        return frame(self.random.choice((b"", b"{", b"[]", b"\xff", b'{"data":[]}', b"null")))

    def _on_stranger(self, _: Book) -> bytes:
        arg = {"channel": "trades", "instId": "XRP-USDT"}
        return frame(json.dumps({"arg": arg, "data": [{}]}).encode())

    def _on_binary(self, book: Book) -> bytes:
        return frame(json.dumps(self._trade(book)).encode(), Opcode.BINARY)

    def _on_fragments(self, book: Book) -> bytes:
        whole = self._on_trade(book)
        payload = whole[4:] if whole[1] == 126 else whole[2:]
        middle = len(payload) // 2
        return (
            frame(payload[:middle], fin=False)
            + frame(b"!", Opcode.PING)
            + frame(payload[middle:], Opcode.CONT)
        )

    def _on_long_header(self, book: Book) -> bytes:
        """A length in more bytes than it needs, which the protocol's own parser lets pass."""
        whole = self._on_quote(book)
        payload = whole[4:] if whole[1:2] == b"\x7e" else whole[2:]
        return b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload if whole else b""

    def _on_damage(self, book: Book) -> bytes:
        """A right frame with some bytes of its payload changed."""
        kind = self.random.choice(("trade", "quote", "ticker", "update", "top5"))
        data = bytearray(self.kinds[kind](book))
        for _ in range(self.random.choice((1, 1, 3))):
            if len(data) > 10:
                data[self.random.randrange(4, len(data))] = self.random.choice(
                    b'0123456789"{}[],:.-+eE \\abxyz\x00\xff'
                )
        return bytes(data)
