from __future__ import annotations

import itertools
import math

import pytest

from hunter.exchange.okx.catalog import Catalog, VerdictKind, paths
from hunter.exchange.okx.rows import InstrumentDetails

TYPES = {2: "SPOT", 3: "FUTURES", 5: "OPTION"}
SWAPS = "/api/v5/public/instruments?instType=SWAP"
BTC_OPTIONS = "/api/v5/public/instruments?instType=OPTION&instFamily=BTC-USD"


def row(inst_id: str, state: str = "live") -> InstrumentDetails:
    kind = "SWAP" if inst_id.endswith("-SWAP") else TYPES[inst_id.count("-") + 1]
    nan = math.nan
    return InstrumentDetails(inst_id, kind, state, nan, nan, nan, nan, nan, "", "", None, None)


def catalog(*names: str) -> Catalog:
    made = Catalog()
    made.add([row(name) for name in names])
    return made


def kind_of(made: Catalog, inst_id: str) -> VerdictKind:
    return made.verdict(inst_id).kind


def test_listed_live_instrument_is_live() -> None:
    made = catalog("BTC-USDT-SWAP")
    assert made.verdict("BTC-USDT-SWAP") == (VerdictKind.LIVE, "BTC-USDT-SWAP is live")
    found = made.details("BTC-USDT-SWAP")
    assert found is not None
    assert found.inst_id == "BTC-USDT-SWAP"
    assert made.details("ETH-USDT-SWAP") is None
    assert len(made) == 1


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        ("post_only", VerdictKind.LIVE, "live"),
        ("suspend", VerdictKind.SUSPENDED, "as suspend: trading is suspended"),
        ("rebase", VerdictKind.SUSPENDED, "as rebase: trading is suspended"),
        ("preopen", VerdictKind.SUSPENDED, "not opened yet"),
        ("test", VerdictKind.SUSPENDED, "test pair"),
        ("novel", VerdictKind.SUSPENDED, "as novel: hunter does not know"),
        ("expired", VerdictKind.UNLISTED, "has delisted BTC-USDT (expired)"),
    ],
)
def test_state_decides_the_verdict(state: str, kind: VerdictKind, reason: str) -> None:
    made = Catalog()
    made.add([row("BTC-USDT", state)])
    verdict = made.verdict("BTC-USDT")
    assert verdict.kind is kind
    assert reason in verdict.text


def test_nothing_is_unlisted_before_its_types_list_has_come() -> None:
    made = Catalog()
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNKNOWN
    made.add([row("BTC-USDT")])
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNKNOWN
    assert "has not come yet" in made.verdict("BTC-USDT-SWAP").text
    made.add([row("ETH-USDT-SWAP")])
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNLISTED


def test_options_are_whole_by_family() -> None:
    made = catalog("BTC-USD-261225-60000-C")
    assert kind_of(made, "BTC-USD-261225-70000-C") is VerdictKind.UNLISTED
    assert kind_of(made, "ETH-USD-261225-4000-C") is VerdictKind.UNKNOWN


def test_empty_answer_that_comes_twice_is_a_whole_list_of_its_path() -> None:
    made = Catalog()
    for _ in range(3):
        made.add([])
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNKNOWN
    made.add([], SWAPS)
    made.add([], BTC_OPTIONS)
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNKNOWN
    assert kind_of(made, "BTC-USD-261225-60000-C") is VerdictKind.UNKNOWN
    made.add([], SWAPS)
    made.add([], BTC_OPTIONS)
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNLISTED
    assert kind_of(made, "BTC-USD-261225-60000-C") is VerdictKind.UNLISTED
    assert kind_of(made, "ETH-USD-261225-60000-C") is VerdictKind.UNKNOWN


def test_single_empty_answer_unlists_nobody() -> None:
    made = catalog("BTC-USDT-SWAP")
    for _ in range(3):
        made.add([], SWAPS)
        assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.LIVE
        made.add([row("BTC-USDT-SWAP")], SWAPS)
    made.add([], SWAPS)
    made.add([], SWAPS)
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.UNLISTED
    assert len(made) == 0


def test_new_list_of_a_type_replaces_the_old_one_and_no_other() -> None:
    made = catalog("BTC-USDT-SWAP", "LUNA-USDT-SWAP", "LUNA-USDT")
    made.add([row("BTC-USDT-SWAP")], SWAPS)
    assert kind_of(made, "LUNA-USDT-SWAP") is VerdictKind.UNLISTED
    assert kind_of(made, "LUNA-USDT") is VerdictKind.LIVE


def test_pushed_change_makes_no_list_whole() -> None:
    made = Catalog()
    made.update([row("BTC-USDT-SWAP", "suspend")])
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.SUSPENDED
    assert kind_of(made, "ETH-USDT-SWAP") is VerdictKind.UNKNOWN
    made.add([row("BTC-USDT-SWAP"), row("ETH-USDT-SWAP")], SWAPS)
    made.update([row("BTC-USDT-SWAP", "suspend")])
    assert kind_of(made, "BTC-USDT-SWAP") is VerdictKind.SUSPENDED
    assert kind_of(made, "ETH-USDT-SWAP") is VerdictKind.LIVE


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("BTC-USDT-SWP", "BTC-USDT-SWAP"),
        ("BTC-UDST", "BTC-USDT"),
        ("BTCC-USDT", "BTC-USDT"),
        ("ETH-BTC-SWAP", "ETH-USDT-SWAP"),
        ("BTC-USD-261224", "BTC-USD-261225"),
        ("BTC-USD-261225-60001-C", "BTC-USD-261225-60000-C"),
        ("BTC-USD-261122-60000-P", "BTC-USD-261225-60000-P"),
        # Another type than the one meant: what is listed is the better hint.
        ("DOGE-USDT", "DOGE-USDT-SWAP"),
        ("btc/usdt", "BTC-USDT"),
    ],
)
def test_near_miss_is_hinted_at(wanted: str, hint: str) -> None:
    made = catalog(
        *("BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT", "ETH-USDT-SWAP", "DOGE-USDT-SWAP"),
        *("BTC-USD-261225", "BTC-USD-261225-60000-C", "BTC-USD-261225-60000-P"),
    )
    assert made.verdict(wanted) == (
        VerdictKind.UNLISTED,
        f"OKX does not list {wanted}; did you mean {hint}?",
    )


def test_nothing_alike_is_no_hint() -> None:
    made = catalog("BTC-USDT", "ETH-USDT")
    assert made.verdict("XYZQ-EUR").text == "OKX does not list XYZQ-EUR"


def test_option_is_no_hint_for_a_future() -> None:
    made = catalog("BTC-USD-261225-60000-C", "ETH-USD-270326")
    assert made.nearest("BTC-USD-261225") != "BTC-USD-261225-60000-C"


def test_paths_ask_for_each_list_once() -> None:
    wanted = [
        *("BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP", "BTC-USD-261225"),
        *("BTC-USD-261225-60000-C", "BTC-USD-261225-60000-P", "ETH-USD-261225-4000-C"),
    ]
    base = "/api/v5/public/instruments?instType"
    assert paths(wanted) == (
        f"{base}=SPOT",
        f"{base}=SWAP",
        f"{base}=FUTURES",
        f"{base}=OPTION&instFamily=BTC-USD",
        f"{base}=OPTION&instFamily=ETH-USD",
    )
    assert paths([]) == ()


def test_answers_to_all_paths_leave_nothing_unknown() -> None:
    wanted = ["BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-261225", "BTC-USD-261225-60000-C"]
    made = Catalog()
    for path in 2 * paths(wanted):
        made.add([], path)
    assert {kind_of(made, name) for name in wanted} == {VerdictKind.UNLISTED}


def test_option_of_a_base_without_options_is_hinted_at_by_what_there_is() -> None:
    made = catalog("BTC-USD-261225-60000-C", "ETH-USD-261225", "ETH-USDT-SWAP")
    assert made.nearest("ETH-USD-261225-4000-C") == "ETH-USD-261225"
    assert made.nearest("BCT-USD-261225-60000-C") == "BTC-USD-261225-60000-C"


def test_hint_follows_the_lists() -> None:
    made = catalog("BTC-USDT", "BTC-USDT-SWAP")
    assert made.nearest("BTC-USDT-SWP") == "BTC-USDT-SWAP"
    made.add([row("ETH-USDT-SWAP")], SWAPS)
    assert made.nearest("BTC-USDT-SWP") == "BTC-USDT"
    made.update([row("BTC-USDT-SWAP")])
    assert made.nearest("BTC-USDT-SWP") == "BTC-USDT-SWAP"


def test_hint_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = catalog("BTC-USDT")
    looks: list[str] = []

    def look(name: str) -> list[str]:
        looks.append(name)
        return ["BTC-USDT"]

    monkeypatch.setattr(made, "_candidates", look)
    for _ in range(3):
        made.verdict("BTC-USTD")
        made.verdict("QQQQ-RRR")
        made.update([row("BTC-USDT", "suspend")])
    assert looks == ["BTC-USTD", "QQQQ-RRR"]


@pytest.fixture(scope="module")
def thousands() -> Catalog:
    """3,030 rows of bases that look alike, 800 of them options."""
    letters = ["".join(each) for each in itertools.product("ABCDEFGHIJ", repeat=3)]
    days = range(261225, 261230)
    strikes = range(50_000, 130_000, 1_000)
    options = [
        f"BTC-USD-{day}-{strike}-{side}" for day in days for strike in strikes for side in "CP"
    ]
    swaps = [f"{base}Q-USDT-SWAP" for base in letters]
    spot = [f"{base}Q-{quote}" for base in letters[:600] for quote in ("USDT", "USDC")]
    btc = [f"BTC-{quote}" for quote in letters[:30]]
    return catalog(*options, *swaps, *spot, *btc)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("BTC-USD-261222-60000-C", "BTC-USD-261229-60000-C"),
        ("BTC-USD-261228-129500-C", "BTC-USD-261228-129000-C"),
        ("BTCC-USD-261228-129000-C", "BTC-USD-261228-129000-C"),
        ("ABCX-USDT", "ABCQ-USDT"),
        ("ACBQ-USDT-SWP", "ACBQ-USDT-SWAP"),
        ("BTC-XABC", "BTC-ABC"),
        ("ZZZZ-USDT", None),
        ("A" * 1_000_000, None),
        ("ABCDEFGHIJ-" * 1_000, None),
    ],
)
def test_hint_among_thousands_takes_few_comparisons(
    thousands: Catalog, wanted: str, hint: str | None
) -> None:
    """Each name compared costs 30 us, and the stream's loop waits for it."""
    assert len(thousands) == 3_030
    assert thousands.nearest(wanted) == hint
    assert len(thousands._candidates(wanted[:40])) <= 24
