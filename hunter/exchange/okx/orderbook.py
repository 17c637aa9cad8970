"""One instrument's book: levels, the chain of sequence ids, validity. Pure.

Continuity is `prevSeqId == last seqId` and nothing else (OKX, order book channel). An update that
breaks it empties the book, because levels that may be wrong are worse than none: `valid` is False
until the next snapshot, from the feed or through `bootstrap`. Levels are never trimmed and never
extrapolated: the exchange keeps its window of 400 itself, by deleting what leaves it.

Recordings from before 2023 have no ids: their chain is the checksum. Since June 2026 the checksum
is sent as 0 and means nothing.

Called by the stream actor, one book an instrument; made anew for every connection.
"""

from __future__ import annotations

import enum
import zlib
from typing import Final

import msgspec

from hunter.exchange.okx.bookstate import new_book_state
from hunter.exchange.okx.rows import NO_SEQUENCE, BookAction, BookUpdate

BUFFERED_UPDATES_MAX: Final = 4_096
# A REST book may be ahead of the feed, but not by seconds: then its ids are of before a reset, and
# the feed would be ignored for as long as it takes to count up to them.
_STRADDLE_UPDATES_MAX: Final = 50
# error-code page of 2022, "Checksum": the best 25 levels of both sides, alternating.
_CHECKSUM_LEVELS: Final = 25


class Applied(enum.Enum):
    """What an update did to the book."""

    APPLIED = "applied"
    # Nothing changed for a minute: the exchange repeats its last id.
    KEEPALIVE = "keepalive"
    # Applied; the exchange's ids went back (maintenance) and the chain goes on from there.
    RESET = "reset"
    # The chain is broken; the book is empty and invalid. Resubscribe or bootstrap.
    GAP = "gap"
    # There is no snapshot to apply it to.
    IGNORED = "ignored"
    # Kept for the REST snapshot that is on its way.
    BUFFERED = "buffered"
    # The book contradicts its checksum; it is empty and invalid. Resubscribe.
    CHECKSUM_MISMATCH = "checksum-mismatch"
    # The REST snapshot is older than the first buffered update: ask for it again.
    SNAPSHOT_TOO_OLD = "snapshot-too-old"


class BookStatistics(msgspec.Struct, frozen=True):
    """Counts since the book was made."""

    snapshot_count: int
    update_count: int
    keepalive_count: int
    reset_count: int
    gap_count: int
    ignored_count: int
    orphan_delete_count: int
    checksum_verified_count: int
    checksum_mismatch_count: int


class OrderBook:
    """`state` holds the levels. While nothing but an update that follows is to be expected, its
    `seq_id` is the book's and compiled code may merge updates into it; else that is NO_SEQUENCE.
    """

    def __init__(self) -> None:
        self.valid = False
        self.state = new_book_state()
        self._seq_id = NO_SEQUENCE
        # "price:size" as sent; kept only while the exchange sends checksums.
        self._bid_texts: dict[float, str] | None = None
        self._ask_texts: dict[float, str] | None = None
        self._distrust_checksum = False
        # After a REST snapshot the next update may straddle it instead of following it.
        self._straddle = False
        self._straddle_count = 0
        self._buffer: list[BookUpdate] | None = None
        self._keepalive_count = 0
        self._reset_count = 0
        self._gap_count = 0
        self._ignored_count = 0
        self._checksum_verified_count = 0
        self._checksum_mismatch_count = 0

    def apply(self, update: BookUpdate) -> Applied:
        """The next snapshot or update, in the order received."""
        self._seq_id = self.seq_id
        applied = self._apply(update)
        self._expose()
        return applied

    def _apply(self, update: BookUpdate) -> Applied:
        if update.action is BookAction.SNAPSHOT:
            self._buffer = None
            self._straddle = False
            return self._replace(update)
        if not self.valid:
            if self._buffer is None:
                self._ignored_count += 1
                return Applied.IGNORED
            return self._keep(update, self._buffer)
        return self._update(update)

    def begin_bootstrap(self) -> None:
        """Keep updates from now on, until `bootstrap` brings the REST book they belong to."""
        self._clear()
        self._buffer = []
        self._expose()

    def bootstrap(self, snapshot: BookUpdate) -> Applied:
        """The REST book, and on it the updates kept since `begin_bootstrap`.

        Procedure of the change log of 2026-02-12: a snapshot older than the first kept update is
        asked for again; updates it contains are dropped; the first that is not must straddle it.
        SNAPSHOT_TOO_OLD and GAP leave the book waiting for another REST book.
        """
        assert self._buffer is not None, "begin_bootstrap comes first"
        applied = self._bootstrap(snapshot, self._buffer)
        self._expose()
        return applied

    def _bootstrap(self, snapshot: BookUpdate, buffered: list[BookUpdate]) -> Applied:
        if buffered and snapshot.seq_id < buffered[0].prev_seq_id:
            return Applied.SNAPSHOT_TOO_OLD
        self._buffer = None
        self._straddle = False
        result = self._replace(snapshot)
        self._straddle = True
        self._straddle_count = 0
        for update in buffered:
            if update.seq_id <= snapshot.seq_id:
                continue
            result = self._update(update)
            if result is Applied.GAP:
                self._buffer = []
                return result
        return Applied.APPLIED

    @property
    def snapshot_count(self) -> int:
        """Snapshots applied so far; a new one starts the book from nothing."""
        return self.state.snapshot_count

    @property
    def seq_id(self) -> int:
        """Of the newest update; NO_SEQUENCE when the book is invalid or has no ids."""
        followed = self.state.seq_id
        return followed if followed >= 0 else self._seq_id

    @property
    def exchange_ts_ns(self) -> int:
        """Of the newest update."""
        return self.state.exchange_ts_ns

    @property
    def is_plain(self) -> bool:
        """Whether the next update is looked at for nothing but its ids: the book is valid, neither
        fresh from REST nor verified by checksums.
        """
        return self.valid and not self._straddle and self._bid_texts is None

    @property
    def bootstrapping(self) -> bool:
        """Whether updates are being kept for a REST book."""
        return self._buffer is not None

    @property
    def best_bid(self) -> float | None:
        return self.state.best_bid

    @property
    def best_ask(self) -> float | None:
        return self.state.best_ask

    @property
    def crossed(self) -> bool:
        """Whether bids reach asks. Right only in a call auction; else reason to resubscribe."""
        bid, ask = self.state.best_bid, self.state.best_ask
        return bid is not None and ask is not None and bid >= ask

    @property
    def level_counts(self) -> tuple[int, int]:
        """Levels of bids and of asks."""
        return self.state.level_counts

    def top(self, level_count: int) -> tuple[list[float], list[float]]:
        """Bids and asks as [price, size, price, size, ...], best first, at most `level_count`."""
        return self.state.top(level_count)

    def statistics(self) -> BookStatistics:
        """A record of the counts now."""
        return BookStatistics(
            snapshot_count=self.state.snapshot_count,
            update_count=self.state.update_count,
            keepalive_count=self._keepalive_count,
            reset_count=self._reset_count,
            gap_count=self._gap_count,
            ignored_count=self._ignored_count,
            orphan_delete_count=self.state.orphan_delete_count,
            checksum_verified_count=self._checksum_verified_count,
            checksum_mismatch_count=self._checksum_mismatch_count,
        )

    def _keep(self, update: BookUpdate, buffer: list[BookUpdate]) -> Applied:
        if update.seq_id < update.prev_seq_id:
            # Ids went back: nothing until now compares with the ids of a REST book to come.
            buffer.clear()
            return Applied.BUFFERED
        if len(buffer) >= BUFFERED_UPDATES_MAX:
            # The REST book must then be newer than the first one left, and says so if it is not.
            del buffer[0]
        buffer.append(update)
        return Applied.BUFFERED

    def _replace(self, snapshot: BookUpdate) -> Applied:
        state = self.state
        state.replace(snapshot.bids, snapshot.asks)
        self._bid_texts = self._ask_texts = None
        if snapshot.texts is not None:
            self._bid_texts = {}
            self._ask_texts = {}
        self.valid = True
        self._seq_id = snapshot.seq_id
        state.exchange_ts_ns = snapshot.exchange_ts_ns
        state.snapshot_count += 1
        return self._verify(snapshot, Applied.APPLIED)

    def _update(self, update: BookUpdate) -> Applied:
        state = self.state
        seq_id = update.seq_id
        prev_seq_id = update.prev_seq_id
        result = Applied.APPLIED
        if prev_seq_id != self._seq_id:
            if not self._straddle or prev_seq_id > self._seq_id or seq_id < prev_seq_id:
                return self._break()
            if seq_id <= self._seq_id:
                self._ignored_count += 1
                self._straddle_count += 1
                if self._straddle_count > _STRADDLE_UPDATES_MAX:
                    return self._break()
                return Applied.IGNORED
        elif seq_id < prev_seq_id:
            self._reset_count += 1
            result = Applied.RESET
        elif seq_id == prev_seq_id and not update.bids and not update.asks and seq_id >= 0:
            state.exchange_ts_ns = update.exchange_ts_ns
            self._keepalive_count += 1
            return Applied.KEEPALIVE
        orphan_count = state.merge_bids(update.bids) + state.merge_asks(update.asks)
        state.orphan_delete_count += orphan_count
        self._straddle = False
        self._seq_id = seq_id
        state.exchange_ts_ns = update.exchange_ts_ns
        state.update_count += 1
        if self._bid_texts is None:
            return result
        return self._verify(update, result)

    def _verify(self, update: BookUpdate, result: Applied) -> Applied:
        """Compare with the checksum, if there is one and it is to be believed.

        A second mismatch in a book whose ids chain says that the checksum is wrong, not the book:
        it is then left alone, or the feed would be resubscribed for ever.
        """
        texts, bid_texts, ask_texts = update.texts, self._bid_texts, self._ask_texts
        if texts is None or bid_texts is None or ask_texts is None:
            # A level changed without its text: nothing left to verify with until a snapshot.
            self._bid_texts = self._ask_texts = None
            return result
        _merge_texts(bid_texts, texts.bids)
        _merge_texts(ask_texts, texts.asks)
        if self._distrust_checksum:
            return result
        if self._checksum(bid_texts, ask_texts) == _signed(update.checksum):
            self._checksum_verified_count += 1
            return result
        self._checksum_mismatch_count += 1
        self._distrust_checksum = self._checksum_mismatch_count > 1 and update.seq_id != NO_SEQUENCE
        if self._distrust_checksum:
            return result
        self._clear()
        return Applied.CHECKSUM_MISMATCH

    def _checksum(self, bid_texts: dict[float, str], ask_texts: dict[float, str]) -> int:
        """CRC32 over `bid:ask:bid:ask...` of the strings as sent; a missing side is skipped."""
        bids, asks = (side[::2] for side in self.state.top(_CHECKSUM_LEVELS))
        parts: list[str] = []
        for index in range(max(len(bids), len(asks))):
            if index < len(bids):
                parts.append(bid_texts[bids[index]])
            if index < len(asks):
                parts.append(ask_texts[asks[index]])
        return _signed(zlib.crc32(":".join(parts).encode()))

    def _break(self) -> Applied:
        self._gap_count += 1
        self._clear()
        return Applied.GAP

    def _clear(self) -> None:
        self.valid = False
        self._seq_id = NO_SEQUENCE
        self._straddle = False
        self.state.clear()
        self._bid_texts = self._ask_texts = None

    def _expose(self) -> None:
        """Let compiled code go on, or not."""
        self.state.seq_id = self._seq_id if self.is_plain else NO_SEQUENCE


def _merge_texts(texts: dict[float, str], levels: list[list[str]]) -> None:
    # Texts of deleted levels stay until the next snapshot: they are looked up by price only.
    for level in levels:
        texts[float(level[0])] = f"{level[0]}:{level[1]}"


def _signed(checksum: int) -> int:
    return checksum - (1 << 32) if checksum >= 1 << 31 else checksum
