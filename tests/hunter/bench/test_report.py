from __future__ import annotations

from typing import Any

from fakes.bench_outcomes import OUTCOME

from hunter.bench import machine, report
from hunter.bench.suite import burst_entry, paced_entry

PEER = {
    "peer": "nautilus 1.221.0", "mix": "trades", "rate_per_s": 20_000, "spread": "39.52 [1-2]",
    "latency": "3,000 / 10,000", "delivered_share": 0.6, "ratio": 20.2,
}  # fmt: skip
SUSTAIN = {
    "sustained_per_s": 60_000, "failed_per_s": 80_000, "instruments": 20, "limiting": "stream-0",
    "about_instruments": 666, "instrument_per_s": 90.0,
}  # fmt: skip
SCALE = {
    "mix": "top5", "instruments": 300, "rate_per_s": 34_905, "seconds": 10.0, "lost": 0,
    "brain_lapped": 0,
    "lag_us_by_quarter": [1_000.0, 2_000.0], "cpu_percent": {"stream-0": 61.0}, "note": "late",
    "core_percent": {"0": 12.0}, "rss_bytes": {"stream-0": 90_000_000},
    "shared_bytes": 341_000_000, "why": "the brain was lapped", "limiting": "brain",
    "cut_short": True,
}  # fmt: skip


SIZING = {
    "instruments": 50, "rate_per_s": 4_500, "lost": 0, "why": "the lag grew", "note": "",
    "cpu_percent": {"stream-0": 10.0, "stream-1": 2.0, "brain-0": 9.0, "watchdog": 1.0},
    "rss_bytes": {"stream-0": 47_000_000, "brain-0": 55_000_000, "watchdog": 26_000_000},
    "shared_bytes": 166_000_000, "cut_short": False,
}  # fmt: skip


def everything() -> dict[str, Any]:
    return {
        "machine": machine.describe() | {"pinning": "load on core 0, engine on 1"},
        "burst": [burst_entry("trades", [OUTCOME])],
        "paced": [_paced()],
        "stages": [
            {
                "stage": "decode",
                "by": "C",
                "cpu_us_per_message": 4.5,
                "cpu_us_each": 4.5,
                "per": "message",
            }
        ],
        "sustain": SUSTAIN,
        "costliest_stage": "decode",
        "scale": [SCALE],
        "sizing": [SIZING],
        "peers": [PEER],
    }


def _paced() -> dict[str, Any]:
    known = paced_entry(5_000, OUTCOME)
    return known | {"receive_to_signal_us": None}


def test_report_has_every_part_and_fits_a_hundred_columns() -> None:
    lines = report.lines(everything())
    text = "\n".join(lines)
    assert max(map(len, lines)) <= report.COLUMNS
    for word in ("BURST", "PACED", "STAGE", "SUSTAINED", "SCALE", "SIZING", "PEER"):
        assert word in text
    assert "this box: about 666 instruments" in text
    assert "1 / 2 / 3" in text
    assert "memory, MB: stream-0 90, shared 341" in text
    (line,) = [line for line in lines if line.startswith("50 instruments")]
    assert line.split() == ["50", "instruments", "4,500", "12", "9", "47", "55", "26", "166", "0"]
    assert "  ! 50: the lag grew" in lines
    assert "20.2 x" in text
    assert "  ! late" in text
    assert "cut short at 400,000 messages" in text
    assert "limit: brain" in text
    assert "costliest: decode" in text


def test_part_that_was_not_measured_is_not_shown() -> None:
    found = everything() | {"burst": [], "peers": []}
    del found["scale"]
    text = "\n".join(report.lines(found))
    assert "BURST" not in text
    assert "SCALE" not in text


def test_numbers_have_three_digits_that_matter() -> None:
    told = [report.number(value) for value in (0.123, 12.34, 1234.5, None)]
    assert told == ["0.12", "12.3", "1,234", "-"]


def test_long_line_is_cut() -> None:
    found = everything()
    found["machine"]["cpu"] = "x" * 200
    assert len(report.lines(found)[0]) == report.COLUMNS
