"""One actor's page. The actor is its only writer; anybody may read it at any time.

    0x00 pid u8 | 0x08 process start, clock ticks u8 | 0x10 state u8 | 0x18 beat, monotonic ns u8
    0x20 progress u8 | 0x28 started wall ns u8 | 0x30 errors u8 | 0x38 rss bytes u8
    0x40 cpu, 1/1000 u8 | 0x48 document generation u8
    0x50 whether it sleeps u8, see hunter.bus.sleep | 0x58 unused
    0x80 two buffers, each: generation u8 | length u4 | crc32 u4 | bytes
    the last LATENCY_WORDS words: see latency.py

A document is written into the buffer that readers are not sent to, then the generation word is
stored: a writer killed anywhere leaves the former document in force. The pid is never trusted
alone: with the start time of the process it names one process for ever, also when the pid is used
again.
"""

from __future__ import annotations

import enum
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from hunter.ring.segment import Segment
from hunter.status.latency import LATENCY_WORDS

_HEADER_BYTES: Final = 0x80
_BUFFER_HEAD: Final = struct.Struct("<QII")
_READ_ATTEMPTS_MAX: Final = 8
_LATENCY_BYTES: Final = 8 * LATENCY_WORDS


class ActorState(enum.IntEnum):
    """What an actor says of itself; the supervisor's view (backoff, parked ...) comes on top."""

    STOPPED = 0
    STARTING = 1
    READY = 2
    DEGRADED = 3
    STOPPING = 4


class Beat(NamedTuple):
    """The fixed words of a page."""

    pid: int
    process_start: int
    state: ActorState
    beat_monotonic_ns: int
    progress: int
    started_wall_ns: int
    errors: int
    rss_bytes: int
    cpu_permille: int
    generation: int


_STATES: Final = frozenset(ActorState)
_WORDS: Final = {name: index for index, name in enumerate(Beat._fields)}


def page_bytes(document_bytes_max: int) -> int:
    """Size of a page whose documents have at most so many bytes; a multiple of 4096."""
    buffer_bytes = (_BUFFER_HEAD.size + document_bytes_max + 7) & ~7
    return (_HEADER_BYTES + 2 * buffer_bytes + _LATENCY_BYTES + 4095) & ~4095


class Page:
    """A window on one page of a mapped status block."""

    def __init__(self, shared: Segment, offset: int, size_bytes: int) -> None:
        self.words = self._words = shared.words
        self._view = shared.view
        self._first_word = offset // 8
        self.sleep_word = self._first_word + len(Beat._fields)
        self.latency_word = (offset + size_bytes) // 8 - LATENCY_WORDS
        self._buffer_bytes = ((size_bytes - _HEADER_BYTES - _LATENCY_BYTES) // 2) & ~7
        self._buffers = [offset + _HEADER_BYTES + side * self._buffer_bytes for side in (0, 1)]
        self.document_bytes_max = self._buffer_bytes - _BUFFER_HEAD.size

    def store(self, name: str, value: int) -> None:
        """Set one fixed word: one aligned store."""
        self._words[self._first_word + _WORDS[name]] = value

    def beat(self) -> Beat:
        words = self._words[self._first_word : self._first_word + len(Beat._fields)].tolist()
        state = ActorState(words[2]) if words[2] in _STATES else ActorState.STOPPED
        return Beat(words[0], words[1], state, *words[3:])

    def write_document(self, document: bytes) -> bool:
        """Replace the document; False, and the one before stays, when it is longer than
        `document_bytes_max`: what is in it comes from outside, too.
        """
        if len(document) > self.document_bytes_max:
            return False
        word = self._first_word + _WORDS["generation"]
        generation = self._words[word] + 1
        start = self._buffers[generation & 1]
        _BUFFER_HEAD.pack_into(self._view, start, generation, len(document), zlib.crc32(document))
        body = start + _BUFFER_HEAD.size
        self._view[body : body + len(document)] = document
        self._words[word] = generation
        return True

    def read_document(self) -> bytes | None:
        """The document in force; None when there is none (or it is damaged)."""
        for _ in range(_READ_ATTEMPTS_MAX):
            generation = self._words[self._first_word + _WORDS["generation"]]
            if not generation:
                return None
            start = self._buffers[generation & 1]
            found, length, crc = _BUFFER_HEAD.unpack_from(self._view, start)
            if found == generation and length <= self.document_bytes_max:
                body = bytes(self._view[start + _BUFFER_HEAD.size :][:length])
                if zlib.crc32(body) == crc:
                    return body
        return None


def process_start_ticks(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    fields = stat[stat.rfind(b")") + 2 :].split()
    # a zombie has ended: its parent only has not asked for its exit status yet
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def is_suspended(pid: int) -> bool:
    """Whether a signal (SIGSTOP, Ctrl-Z) or a debugger keeps a process from running now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rfind(b")") + 2 :][:1] in (b"T", b"t")


def is_alive(beat: Beat) -> bool:
    """Whether the very process that wrote this page is there (it may be stopped or wedged)."""
    return (
        beat.pid > 0
        and beat.process_start > 0
        and process_start_ticks(beat.pid) == beat.process_start
    )
