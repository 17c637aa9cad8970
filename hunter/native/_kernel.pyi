"""The extension module's names, as Python sees them."""

from collections.abc import Sequence
from typing import Any, overload

# ---- ring.c, reader.c, crc32.c

def crc32(data: bytes | bytearray | memoryview, crc: int = 0, /) -> int: ...

class Lanes:
    def __new__(
        cls,
        view: memoryview,
        epoch: int,
        epoch_word: int,
        arrival_word: int,
        arrivals: list[int],
        places: list[tuple[int, int, int, int]],
        groups: list[int],
    ) -> Lanes: ...
    def put(self, instrument: int, kind: int, facts: bytes, /) -> None: ...
    def publish(self) -> bool: ...
    def position(self, instrument: int, kind: int, /) -> int: ...
    def close(self) -> None: ...

class Words:
    def __new__(cls, plain: memoryview) -> Words: ...
    @overload
    def __getitem__(self, word: int, /) -> int: ...
    @overload
    def __getitem__(self, words: slice, /) -> memoryview: ...
    @overload
    def __setitem__(self, word: int, value: int, /) -> None: ...
    @overload
    def __setitem__(self, words: slice, values: memoryview, /) -> None: ...
    def release(self) -> None: ...

class Window:
    def __new__(
        cls, words: Words, intent_word: int, offset: int, capacity: int, row_bytes: int
    ) -> Window: ...
    def take(self, cursor: int, row_count_max: int, /) -> bytearray | None: ...

# json.c, for tests
def json_envelope(frame: bytes, /) -> tuple[bytes | None, ...] | None: ...
def json_trades(data: bytes, /) -> tuple[tuple[int | float, ...], ...] | None: ...
def json_ticker(data: bytes, /) -> tuple[int | float, ...] | None: ...
def json_book(
    data: bytes, /
) -> tuple[list[tuple[float, float]], list[tuple[float, float]], int, int, int] | None: ...

# book.c, for tests
def book_would_cross(book: BookState, data: bytes, /) -> bool: ...

# frames.c
def frame(
    buffer: bytes | bytearray | memoryview, offset: int, length_max: int, /
) -> tuple[int, bytes | None, int | None]: ...

# records.c
def histogram_record(counters: bytearray | memoryview, value: int, /) -> None: ...

class ChainTail:
    end: int
    newest_ts_ns: int
    row_count: int
    match_count: int
    last_count: int
    last_price: float
    last_size: float

class Tally:
    messages: int
    last_data_ns: int
    last_exchange_ts_ns: int
    def __init__(self, lag: memoryview) -> None: ...

class Heard:
    heard_ns: int
    data_count: int

# book.c
class BookState:
    seq_id: int
    exchange_ts_ns: int
    snapshot_count: int
    update_count: int
    orphan_delete_count: int
    @property
    def best_bid(self) -> float | None: ...
    @property
    def best_ask(self) -> float | None: ...
    @property
    def level_counts(self) -> tuple[int, int]: ...
    def replace(self, bids: list[object], asks: list[object], /) -> None: ...
    def merge_bids(self, levels: list[object], /) -> int: ...
    def merge_asks(self, levels: list[object], /) -> int: ...
    def top(self, level_count: int, /) -> tuple[list[float], list[float]]: ...
    def clear(self) -> None: ...

class KeptTops:
    def __len__(self) -> int: ...
    def keep(self, seq_id: int, bids: list[float], asks: list[float], /) -> None: ...
    def find(self, seq_id: int, /) -> tuple[list[float], list[float]] | None: ...
    def pop(self, seq_id: int, /) -> tuple[list[float], list[float]] | None: ...
    def clear(self) -> None: ...

class Calm:
    compared_count: int
    agreed_in_a_row: int
    quotes_compared_id: int
    tops_compared_id: int
    last_id: int

# fastpath.c
ROUTE_TRADES: int
ROUTE_QUOTES: int
ROUTE_TICKERS: int
ROUTE_UPDATES: int
ROUTE_SNAPSHOTS: int
ROUTE_TOPS: int

def split(
    buffer: bytes | bytearray | memoryview,
    start: int,
    end: int,
    length_max: int,
    payloads: list[bytes],
    /,
) -> int: ...

class Shown:
    valid: bool
    seq_id: int
    exchange_ts_ns: int
    def __init__(self, valid: bool, seq_id: int, exchange_ts_ns: int) -> None: ...

class Route:
    def __init__(self, channel: str, inst_id: str, kind: int, instrument: int) -> None: ...
    @property
    def armed(self) -> bool: ...
    @property
    def kind(self) -> int: ...
    @property
    def instrument(self) -> int: ...
    def arm(self, *records: object) -> None: ...
    def disarm(self) -> None: ...

class FastPath:
    frame_count: int
    byte_count: int
    row_count: int
    def __init__(self, lanes: Lanes) -> None: ...
    def add(self, route: Route, /) -> None: ...
    def run(
        self,
        buffer: bytes | bytearray | memoryview,
        start: int,
        end: int,
        received_ts_ns: int,
        now_ns: int,
        lags: memoryview,
        /,
    ) -> tuple[int, int]: ...

# stages.c, for measurement
TO_FRAME: int
TO_DECODE: int
TO_BOOK: int

def pass_to(frames: bytes | bytearray | memoryview, stage: int, book: BookState, /) -> int: ...

# learner.c

class Mixture:
    outside_count: int
    def __new__(
        cls, assessment: type[Any], prior: bytes, digest: bytes, outside_count: int
    ) -> Mixture: ...
    def assess(self, x: Sequence[float], outside: Sequence[float] = (), /) -> Any: ...
    def contributions(
        self, x: Sequence[float], outside: Sequence[float] = (), /
    ) -> tuple[float, ...]: ...
    def learn(
        self,
        x: Sequence[float],
        outside: Sequence[float],
        move: int,
        weight: float,
        said: Sequence[float] | None = None,
        /,
    ) -> None: ...
    def fall_back(self, on: bool, /) -> None: ...
    def reset(self) -> None: ...
    def state(self) -> bytes: ...
    def load(self, state: bytes, /) -> None: ...

class Movement:
    def __new__(cls, prior: bytes, digest: bytes) -> Movement: ...
    def assess(self, even: Sequence[float], /) -> tuple[float, float]: ...
    def learn(
        self, even: Sequence[float], moved: bool, move_bp: float, weight: float, /
    ) -> None: ...
    def reset(self) -> None: ...
    def state(self) -> bytes: ...
    def load(self, state: bytes, /) -> None: ...
