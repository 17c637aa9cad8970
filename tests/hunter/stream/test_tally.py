from __future__ import annotations

from hunter.native import kernel
from hunter.status.histogram import Histogram
from hunter.stream.counters import Counters
from hunter.stream.tally import Tally, new_tally


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = Tally if kernel is None else kernel.Tally
    assert type(new_tally(Histogram().counts)) is expected


def test_what_is_counted_in_it_is_what_the_counters_show() -> None:
    counters = Counters(None)
    tally = counters.tally
    tally.messages += 2
    tally.last_data_ns = 5
    tally.last_exchange_ts_ns = 9
    assert (counters.messages, counters.last_data_ns, counters.last_exchange_ts_ns) == (2, 5, 9)
    counters.messages += 1
    counters.last_data_ns = 6
    counters.first_push = False
    counters.on_push(2_000_000, 5_000_000, repeats=False)
    assert (tally.messages, tally.last_data_ns, tally.last_exchange_ts_ns) == (3, 6, 2_000_000)
    assert counters.lag_us.percentile(1.0) == 3_000 // 128 * 128 + 63.5
    assert counters.document("x", "trades", "live").messages == 3
