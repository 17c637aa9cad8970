"""What the compiled decoder takes, Python's decoders take too, with the same values bit for bit;
and what is ordinary it takes.
"""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from fakes.native_decoding import Decoding
from fakes.okx_mutations import Mutator
from fakes.twins import needs_kernel
from hypothesis import given
from hypothesis import strategies as st

from hunter.exchange.okx.messages import Envelope
from hunter.native import kernel

pytestmark = needs_kernel
ORDINARY = ("trades", "trades-all", "tickers", "books", "books5", "bbo-tbt")
TRADE = (
    b'[{"instId":"BTC-USDT-SWAP","tradeId":"2832749645","px":"63913.4","sz":"34.95","side":"sell",'
    b'"ts":"1786540436090","count":"10","source":"0","seqId":333793118093}]'
)
TICKER = (
    b'[{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"63921","lastSz":"0.4","askPx":"63921.1",'
    b'"askSz":"1871.75","bidPx":"","bidSz":"","open24h":"64297.6","high24h":"64466",'
    b'"low24h":"63162.7","sodUtc0":"63566","sodUtc8":"63584.6","volCcy24h":"73998.8786",'
    b'"vol24h":"7399887.86","ts":"1786540471710"}]'
)
BOOK = (
    b'[{"asks":[["78729.9","0","0","0"],["78730","1.5","0","12"]],"bids":[["78729","3","0","1"]],'
    b'"ts":"1787612486307","checksum":0,"seqId":80274874887,"prevSeqId":80274874876}]'
)
HEAD = b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":'
DIGITS = st.text("0123456789", max_size=25)
NUMBERS = st.builds("{}.{}".format, DIGITS, DIGITS) | DIGITS | st.text("0123456789.eE+-_ ")


@pytest.fixture
def decoding() -> Decoding:
    assert kernel is not None
    return Decoding(kernel)


def test_examples_of_the_exchange_are_taken(decoding: Decoding) -> None:
    assert [decoding.payload(data) for data in (TRADE, TICKER, BOOK)] == [
        "trades",
        "ticker",
        "book",
    ]
    assert [decoding.frame(HEAD + data + b"}") for data in (TRADE, TICKER, BOOK)] == [
        "trades", "ticker", "book",
    ]  # fmt: skip


def test_every_ordinary_frame_is_taken(decoding: Decoding) -> None:
    mutator = Mutator(random.Random(5))
    ordinary_count = 0
    for _ in range(3_000):
        frame = mutator.valid()
        try:
            envelope = msgspec.json.decode(frame, type=Envelope)
            (item,) = msgspec.json.decode(envelope.data)
        except (ValueError, TypeError):
            continue
        if envelope.arg is not None and envelope.arg.channel in ORDINARY:
            if item.get("checksum"):
                continue
            ordinary_count += 1
            assert decoding.frame(frame) is not None, frame
    assert ordinary_count > 500


@pytest.mark.parametrize("seed", range(4))
def test_broken_frames_are_read_as_python_reads_them(decoding: Decoding, seed: int) -> None:
    mutator = Mutator(random.Random(seed))
    for _ in range(6_000):
        decoding.frame(mutator.frame())
    assert min(decoding.taken.values()) > 100


@pytest.mark.parametrize("data", [TRADE, TICKER, BOOK])
def test_every_changed_byte_is_read_as_python_reads_it(decoding: Decoding, data: bytes) -> None:
    frame = HEAD + data + b"}"
    taken_count = 0
    for at in range(len(frame)):
        for byte in b'019."\\[]{},:- \x00\x1f\x7f\x80\xffae\n':
            changed = frame[:at] + bytes((byte,)) + frame[at + 1 :]
            taken_count += decoding.frame(changed) is not None
            decoding.payload(changed[len(HEAD) : -1])
        assert decoding.frame(frame[:at]) is None
    assert taken_count > len(frame)


@given(NUMBERS)
def test_number_is_taken_with_pythons_value_or_declined(text: str) -> None:
    assert kernel is not None
    decoding = Decoding(kernel)
    encoded = json.dumps(text).encode()
    for data in (TRADE, TICKER, BOOK):
        for old in (b'"63913.4"', b'"34.95"', b'"2832749645"', b'"10"', b'"63921"', b'"0.4"',
                    b'"1786540471710"', b'"78730"', b'"1.5"'):  # fmt: skip
            decoding.payload(data.replace(old, encoded))


@given(st.integers(0, 10**19), st.integers(0, 22))
def test_plain_decimal_is_taken_and_rounded_once(digits: int, places: int) -> None:
    assert kernel is not None
    text = f"{digits / 10**places:.{places}f}" if digits < 10**15 else str(digits)
    whole = str(digits).rjust(places + 1, "0")
    exact = f"{whole[: len(whole) - places]}.{whole[len(whole) - places :]}" if places else whole
    for number in (text, exact):
        found = kernel.json_ticker(TICKER.replace(b"63921.1", number.encode()))
        assert (found is None) == (float(number) == 0.0)
        assert found is None or found[4] == float(number)


def spaced(value: Any, generator: random.Random) -> str:
    """JSON with white space wherever it may stand, and keys in any order."""

    def gap() -> str:
        return generator.choice(("", "", " ", "\n\t ", "\r"))

    if isinstance(value, dict):
        items = list(value.items())
        generator.shuffle(items)
        texts = [f"{gap()}{json.dumps(k)}{gap()}:{spaced(v, generator)}" for k, v in items]
        return f"{gap()}{{{','.join(texts)}{gap()}}}{gap()}"
    if isinstance(value, list):
        return f"{gap()}[{','.join(spaced(item, generator) for item in value)}{gap()}]{gap()}"
    return f"{gap()}{json.dumps(value)}{gap()}"


@pytest.mark.parametrize("data", [TRADE, TICKER, BOOK])
def test_white_space_order_and_new_fields_change_nothing(decoding: Decoding, data: bytes) -> None:
    assert kernel is not None
    generator = random.Random(3)
    (item,) = json.loads(data)
    item |= {"new": "x" * 30, "flag": True, "none": None, "off": False, "number": -10.25}
    frame = {"arg": {"channel": "c", "instId": "i", "uly": "u"}, "data": [item], "spare": "1"}
    for _ in range(200):
        text = spaced(frame, generator).encode()
        assert decoding.frame(text) is not None, text


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        b"pong",
        b'{"arg":{"channel":"trades"},"data":[]}',
        b'{"arg":{"instId":"x"},"data":[]}',
        b'{"arg":{"channel":"trades","instId":"x"}}',
        b'{"arg":{"channel":"trades","instId":"x"},"data":{}}',
        b'{"arg":{"channel":"trades","instId":"x"},"data":[],"event":"update"}',
        b'{"arg":{"channel":"trades","instId":"x"},"connId":"a4d3ae55","data":[]}',
        b'{"arg":{"channel":"trades","instId":"x"},"arg":{},"data":[]}',
        b'{"arg":{"channel":"trades","instId":"x"},"action":null,"data":[]}',
        b'{"arg":{"channel":"tr\\u0061des","instId":"x"},"data":[]}',
        b'{"arg":{"channel":"trades","instId":"\xc3\xa9"},"data":[]}',
        b'{"arg":{"channel":"trades","instId":"x","new":{}},"data":[]}',
        HEAD + TRADE + b"} x",
        HEAD + TRADE,
    ],
)
def test_envelope_that_is_not_ordinary_is_declined(frame: bytes) -> None:
    assert kernel is not None
    assert kernel.json_envelope(frame) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"px":"63913.4"', b'"px":"0"'),
        (b'"px":"63913.4"', b'"px":63913.4'),
        (b'"px":"63913.4"', b'"px":"1000000000000000000"'),
        (b'"px":"63913.4"', b'"px":"999999999999999999"'),
        (b'"px":"63913.4"', b'"px":"1","px":"2"'),
        (b'"px":"63913.4",', b""),
        (b'"sz":"34.95"', b'"sz":"0.0"'),
        (b'"side":"sell"', b'"side":"short"'),
        (b'"ts":"1786540436090"', b'"ts":"0"'),
        (b'"ts":"1786540436090"', b'"ts":"9223372036855"'),
        (b'"count":"10"', b'"count":"0"'),
        (b'"count":"10"', b'"count":"65536"'),
        (b'"source":"0"', b'"source":"128"'),
        (b'"seqId":333793118093', b'"seqId":-2'),
        (b'"seqId":333793118093', b'"seqId":9223372036854775808'),
        (b'"tradeId":"2832749645"', b'"tradeId":"18446744073709551617"'),
    ],
)
def test_trade_out_of_its_bounds_is_declined(old: bytes, new: bytes) -> None:
    assert kernel is not None
    assert old in TRADE
    assert kernel.json_trades(TRADE.replace(old, new)) is None


def test_bounds_themselves_are_taken(decoding: Decoding) -> None:
    for old, new in (
        (b"2832749645", b"9223372036854775807"),
        (b'"count":"10"', b'"count":"65535"'),
        (b'"source":"0"', b'"source":"127"'),
        (b"333793118093", b"-1"),
        (b"1786540436090", b"9223372036854"),
        (b"63913.4", b"99999999999999999"),
    ):
        assert decoding.payload(TRADE.replace(old, new)) == "trades", new


def test_several_trades_come_as_several_rows(decoding: Decoding) -> None:
    assert kernel is not None
    item = TRADE[1:-1]
    data = b"[" + b",".join([item] * 5) + b"]"
    assert decoding.payload(data) == "trades"
    assert len(kernel.json_trades(data)) == 5
    assert kernel.json_trades(b"[" + b",".join([item] * 257) + b"]") is None
    assert kernel.json_trades(b"[]") is None


def test_book_with_a_checksum_or_of_too_many_levels_is_declined(decoding: Decoding) -> None:
    assert kernel is not None
    assert kernel.json_book(BOOK.replace(b'"checksum":0', b'"checksum":-5')) is None
    level = b'["78729","3","0","1"]'
    for count, kind in ((1_024, "book"), (1_025, None)):
        many = BOOK.replace(b"[" + level + b"]", b"[" + b",".join([level] * count) + b"]")
        assert decoding.payload(many) == kind
    assert kernel.json_book(b"[" + BOOK[1:-1] + b"," + BOOK[1:-1] + b"]") is None
