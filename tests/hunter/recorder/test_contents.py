"""A recording's files are found, and what they hold is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunter.errors import NotFound
from hunter.recorder.contents import read_contents, recording_files

TRADE = (
    b'{"arg":{"channel":"trades","instId":"%s"},"data":[{"tradeId":"9","px":"1.5","sz":"2",'
    b'"side":"buy","ts":"7","count":"3"}]}'
)
TICKER = b'{"arg":{"channel":"tickers","instId":"%s"},"data":[{"last":"1"}]}'


def write(path: Path, *frames: bytes, start_ns: int = 1_000_000_000) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(b"%d %s\n" % (start_ns + n, f) for n, f in enumerate(frames)))
    return path


def test_folder_stands_for_its_segments_in_their_order(tmp_path: Path) -> None:
    names = ["20260922T1.jsonl", "20260921T2.jsonl.zst", "20260921T1.jsonl.gz"]
    paths = [write(tmp_path / "rec" / name) for name in names]
    write(tmp_path / "rec" / "notes.txt")
    single = write(tmp_path / "single.ws")
    assert recording_files([single, tmp_path / "rec"]) == (single, *paths[::-1])


@pytest.mark.parametrize("name", ["", "nothing.jsonl"])
def test_missing_recording_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match="no recording"):
        recording_files([tmp_path / name if name else tmp_path])


def test_frames_matches_and_span_are_counted_over_all_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", TRADE % b"BTC-USDT", TICKER % b"BTC-USDT", b"pong")
    second = write(
        tmp_path / "b.jsonl", TRADE % b"ETH-USDT", TRADE % b"BTC-USDT", start_ns=3_000_000_000
    )
    contents = read_contents((first, second))
    assert contents.frames == {
        ("trades", "BTC-USDT"): 2,
        ("tickers", "BTC-USDT"): 1,
        ("trades", "ETH-USDT"): 1,
    }
    assert contents.matches == {"BTC-USDT": 6, "ETH-USDT": 3}
    assert contents.instruments == ("BTC-USDT", "ETH-USDT")
    assert contents.span_s == pytest.approx(2.0, abs=1e-6)
    assert contents.counts.malformed == 1


def test_file_without_market_data_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no market data"):
        read_contents((write(tmp_path / "a.jsonl", b'{"event":"subscribe"}'),))
