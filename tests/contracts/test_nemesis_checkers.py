"""Each invariant's checker is silent on what is right and speaks on what is broken; a plan follows
from its seed; what the nemesis reads grows under its hands and is read once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import checkers
from fakes.checkers import Left, ReaderLog, Sample, Tape, Truth
from fakes.nemesis_plan import EXCHANGE, PlanOptions, make_plan, parse_plan, plan_text
from fakes.nemesis_truth import FileTail, LedgerTail, RowDigest
from soak.nemesis_signals import journalled
from soak.nemesis_watch import everything_at

from hunter.ring.rows import BOOK_LEVELS, Kind, TradeFlag, numpy_dtype
from hunter.signals.decision import Decision
from hunter.signals.journal_reader import journal_path
from hunter.signals.line import encode_line
from hunter.signals.signal import signal_of
from hunter.simulator.faults import parse_fault

NAME = "BTC-USDT-SWAP"
STAMP_MS = 1_630_048_897_897


def trades(*matches: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Rows as a sound ring has them, of (last match, count)."""
    rows = np.zeros(len(matches), dtype=numpy_dtype(Kind.TRADE))
    for place, (trade_id, count) in enumerate(matches):
        row = rows[place]
        row["sequence"], row["arrival"], row["trade_id"] = place + 1, 2 * place + 1, trade_id
        row["price"], row["size"], row["count"], row["side"] = 100.5, 2.0 * count, count, 1
        row["received_ts_ns"], row["exchange_ts_ns"] = 1, STAMP_MS * 1_000_000
    return rows


def truth_of(last_id: int) -> Truth:
    return dict.fromkeys(range(1, last_id + 1), (100.5, 2.0, 1, STAMP_MS))


SOUND = ((2, 2), (3, 1), (6, 3))


def test_i1_sound_rows_pass() -> None:
    assert checkers.check_rows(Tape(NAME), trades(*SOUND)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("sequence", 9), ("arrival", 0), ("price", 0.0), ("size", float("nan")), ("count", 0)],
)
def test_i1_row_that_is_torn_doubled_or_out_of_order_is_found(name: str, value: float) -> None:
    rows = trades(*SOUND)
    rows[name][1] = value
    assert checkers.check_rows(Tape(NAME), rows)


def test_i1_hole_between_two_looks_is_found() -> None:
    assert checkers.check_rows(Tape(NAME, sequence=4), trades(*SOUND))


def test_i1_arrival_number_that_falls_back_between_two_looks_is_found() -> None:
    tape, rows = Tape(NAME), trades(*SOUND)
    assert checkers.check_rows(tape, rows) == []
    assert tape.arrival == 5
    tape.sequence = 3
    rows["sequence"] += 3
    assert len(checkers.check_rows(tape, rows)) == 1


def test_i2_rows_as_the_ledger_has_them_pass_and_are_taken_from_it() -> None:
    tape, truth = Tape(NAME), truth_of(8)
    assert checkers.check_truth(tape, trades(*SOUND), truth) == []
    assert (tape.last_id, tape.sequence, tape.match_count, list(truth)) == (6, 3, 6, [7, 8])
    assert checkers.check_complete(tape, 6, 0) == []


@pytest.mark.parametrize(
    "matches",
    [((2, 2), (4, 1), (6, 2)), ((2, 2), (3, 1), (3, 1)), ((3, 1), (2, 2)), ((2, 2), (6, 3))],
)
def test_i2_lost_doubled_or_swapped_match_is_found(matches: tuple[tuple[int, int], ...]) -> None:
    assert checkers.check_truth(Tape(NAME), trades(*matches), truth_of(6))


@pytest.mark.parametrize(
    ("name", "value"), [("price", 100.4), ("side", -1), ("size", 2.5), ("exchange_ts_ns", 1)]
)
def test_i2_match_that_differs_from_the_ledger_is_found(name: str, value: float) -> None:
    rows = trades(*SOUND)
    rows[name][1] = value
    assert checkers.check_truth(Tape(NAME), rows, truth_of(6))


def test_i2_match_that_is_counted_as_lost_is_told_and_still_a_failure_at_the_end() -> None:
    tape, rows = Tape(NAME), trades((2, 2), (6, 3))
    rows["flags"][1] = TradeFlag.AFTER_LOSS
    assert checkers.check_truth(tape, rows, truth_of(6)) == []
    assert tape.lost == 1
    assert checkers.check_complete(tape, 6, 1)


def test_i2_ring_that_ends_before_the_ledger_is_found() -> None:
    tape = Tape(NAME)
    checkers.check_truth(tape, trades(*SOUND), truth_of(9))
    assert checkers.check_complete(tape, 9, 0)


def test_i2_loss_that_is_told_and_did_not_happen_is_found() -> None:
    assert checkers.check_complete(Tape(NAME, last_id=6), 6, 1)


def test_i2_loss_that_shows_at_the_very_end_is_found() -> None:
    assert checkers.check_lost(Tape(NAME), 0) == []
    assert checkers.check_lost(Tape(NAME, lost=2), 0)


def test_i3_reader_that_saw_what_was_checked_passes() -> None:
    tape = Tape(NAME, digests={64: 1, 128: 2, 192: 3})
    log = ReaderLog(digests={NAME: {64: 1, 128: 2}}, ended=True)
    assert checkers.check_reader(log, {NAME: tape}, {NAME: 128}) == []
    assert checkers.check_reader(log, {NAME: tape}, {NAME: 192})


@pytest.mark.parametrize(
    "log",
    [
        ReaderLog(digests={NAME: {64: 1, 128: 7}}, ended=True),
        ReaderLog(digests={NAME: {64: 1}}, wrong=["a hole in the newest rows"], ended=True),
        ReaderLog(digests={NAME: {64: 1}}),
        ReaderLog(ended=True),
        ReaderLog(digests={NAME: {64: 1}}, ended=True),
        ReaderLog(digests={NAME: {128: 2}}, ended=True),
    ],
    ids=["saw other rows", "saw a torn row", "died", "saw nothing", "went blind", "came late"],
)
def test_i3_reader_that_saw_something_else_or_nothing_is_found(log: ReaderLog) -> None:
    assert checkers.check_reader(log, {NAME: Tape(NAME, digests={64: 1, 128: 2})}, {NAME: 128})


def test_i3_reader_that_saw_one_instrument_of_two_is_found() -> None:
    other = "ETH-USDT-SWAP"
    tapes = {NAME: Tape(NAME, digests={64: 1}), other: Tape(other, digests={64: 3})}
    log = ReaderLog(digests={NAME: {64: 1}}, ended=True)
    assert checkers.check_reader(log, tapes, {NAME: 64, other: 64})
    tapes[other].digests.clear()
    assert checkers.check_reader(log, tapes, {NAME: 64, other: 0}), "nothing was looked at"


def book_row() -> Any:
    row = np.zeros(1, dtype=numpy_dtype(Kind.BOOK))[0]
    row["bid_count"], row["ask_count"] = 2, 1
    row["bids"][:2], row["asks"][:1] = [(99.0, 1.0), (98.0, 2.0)], [(100.0, 3.0)]
    return row


def levels(*pairs: tuple[str, str]) -> list[list[str]]:
    return [[price, size, "0", "1"] for price, size in pairs]


def test_i4_book_that_is_the_exchanges_passes() -> None:
    assert len(book_row()["bids"]) == BOOK_LEVELS
    truth = {"bids": levels(("99", "1"), ("98", "2")), "asks": levels(("100", "3"))}
    assert checkers.check_book(NAME, book_row(), truth) == []


@pytest.mark.parametrize("bids", [(("99", "1"), ("98", "7")), (("99", "1"),), ()])
def test_i4_book_with_a_wrong_or_a_ghost_level_is_found(bids: tuple[tuple[str, str], ...]) -> None:
    truth = {"bids": levels(*bids), "asks": levels(("100", "3"))}
    assert checkers.check_book(NAME, book_row(), truth)


def test_i4_book_that_stopped_moving_or_is_not_there_is_found() -> None:
    row = book_row()
    row["valid"], row["seq_id"] = 1, 41
    assert checkers.check_book_moves(NAME, row, 41) == []
    assert checkers.check_book_moves(NAME, row, 40) == []
    assert checkers.check_book_moves(NAME, row, 42)
    row["valid"] = 0
    assert checkers.check_book_moves(NAME, row, 41)
    assert checkers.check_book_moves(NAME, None, 41)


def test_i5_nothing_left_passes() -> None:
    assert checkers.check_nothing_left(Left()) == []


@pytest.mark.parametrize(
    "left",
    [
        Left(processes=("7 sleep",)),
        Left(sockets=("control.ipc",)),
        Left(shared_files=("ring-0",)),
        Left(runtime_files=("effective.json",)),
        Left(lock_holder=7),
    ],
)
def test_i5_leftover_is_found(left: Left) -> None:
    assert len(checkers.check_nothing_left(left)) == 1


def test_i5_empty_directory_in_shared_memory_is_left_too(tmp_path: Path) -> None:
    left = tmp_path / "hunter-1"
    assert everything_at(left) == []
    left.mkdir()
    assert everything_at(left) == [left]
    (left / "ring-0").touch()
    assert everything_at(left) == [left, left / "ring-0"]


def samples(rss_growth: float = 0.0, descriptor_growth: float = 0.0) -> list[Sample]:
    return [
        Sample(7, place, int(3e7 * (1 + rss_growth * place)), int(27 + descriptor_growth * place))
        for place in range(200)
    ]


def test_i6_flat_supervisor_passes() -> None:
    assert checkers.check_flat(samples()) == []


def test_i6_supervisor_that_was_replaced_is_compared_with_itself_only() -> None:
    assert checkers.check_flat([*samples(), *(Sample(8, 0, 9, 9) for _ in range(100))]) == []


def test_i6_supervisor_that_was_hardly_looked_at_proves_nothing() -> None:
    enough = checkers.FLAT_SAMPLES_MIN
    assert checkers.check_flat(samples()[:enough]) == []
    for few in ([], samples()[: enough - 1]):
        assert checkers.check_flat(few) == ["I6 no supervisor was looked at often enough"]


@pytest.mark.parametrize("growth", [{"rss_growth": 0.001}, {"descriptor_growth": 0.1}])
def test_i6_supervisor_that_grows_is_found(growth: dict[str, float]) -> None:
    assert checkers.check_flat(samples(**growth))


def test_i8_secret_and_half_a_secret_are_found() -> None:
    secret = "dummy-6f1c0a9be47d"
    assert checkers.check_secrets([("a.log", b"connected")], [secret]) == []
    assert checkers.check_secrets([("a.log", b"with " + secret.encode())], [secret])
    assert checkers.check_secrets([("a.log", b"with dummy-6f1...")], [secret])


def told(*lines: tuple[int, int], name: str = NAME) -> list[tuple[str, int, int]]:
    return [(name, boundary_ms, sequence) for boundary_ms, sequence in lines]


DUE = {NAME: {500: 3, 1_000: 5, 2_000: 5, 2_500: 9}}


def test_signals_as_the_rows_demand_them_pass() -> None:
    done = told((500, 3), (1_000, 5), (2_000, 5))
    assert checkers.check_signals(done, DUE, {NAME: 2_000}) == []


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([], "there is none"),
        ([(500, 3), (1_000, 5)], "2000 is missing"),
        ([(1_000, 5), (2_000, 5)], "500 is missing"),
        ([(500, 3), (2_000, 5)], "1000 is missing"),
        ([(500, 3), (1_000, 5), (1_000, 5), (2_000, 5)], "1000 is in the journal twice"),
        ([(500, 3), (2_000, 5), (1_000, 5)], "1000 stands behind a later one"),
        ([(500, 3), (1_000, 4), (2_000, 5)], "1000 names row 4, not 5"),
        ([(500, 3), (1_000, 5), (1_500, 5), (2_000, 5)], "1500 names row 5, not None"),
    ],
)
def test_signal_that_is_missing_doubled_or_of_another_row_is_found(
    lines: list[tuple[int, int]], wrong: str
) -> None:
    failures = checkers.check_signals(told(*lines), DUE, {NAME: 2_000})
    assert [text for text in failures if wrong in text]


def test_signals_of_an_instrument_that_has_none_are_missed() -> None:
    done = told((500, 3), (1_000, 5), (2_000, 5))
    assert checkers.check_signals(done, DUE | {"ETH-USDT-SWAP": {}}, {NAME: 2_000})


def test_journal_line_that_is_no_signal_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    assert journalled(tmp_path) == ([], [])
    decision = Decision(
        direction="up",
        probability_up=0.75,
        horizon_ms=1_000,
        reason="told",
        instrument=NAME,
        boundary_ms=500,
        trade_sequence=3,
    )
    line = encode_line(signal_of(decision, "1f", "up", "told", 1.0))
    path = journal_path(tmp_path, 1)
    path.write_bytes(line)
    assert journalled(tmp_path) == (told((500, 3)), [])
    for torn in (b"{}\n" + line, line.replace(b"0.75", b"0.76") + line, line + line[:40]):
        path.write_bytes(torn)
        found, failures = journalled(tmp_path)
        assert (found, len(failures)) == (told((500, 3)), 1)


def test_plan_of_the_same_seed_is_the_same_and_survives_writing_down() -> None:
    options = PlanOptions(kills=300)
    plan = make_plan(7, options)
    assert plan == make_plan(7, options)
    assert plan != make_plan(8, options)
    assert parse_plan(plan_text(plan)) == plan


def test_plan_kills_as_often_as_asked_and_holds_every_kind() -> None:
    plan = make_plan(1, PlanOptions(kills=1_000))
    assert 1_000 <= sum(action.kill_count for action in plan) < 1_010
    assert len({action.kind for action in plan}) == 12
    assert [action.at_s for action in plan] == sorted(action.at_s for action in plan)


def test_every_fault_of_a_plan_is_one_that_the_simulator_takes() -> None:
    for name, words in EXCHANGE.items():
        query = {"name": name, **{key: str(value) for key, value in words.items()}}
        assert parse_fault(query).name == name


def test_plan_without_a_standby_or_a_network_leaves_them_alone() -> None:
    plan = make_plan(1, PlanOptions(kills=500, standby=False, network=False))
    assert not any("stream-0b" in action.targets for action in plan)
    assert not {action.kind for action in plan} & {"network", "exchange"}


def test_plan_that_spares_the_supervisor_kills_it_never() -> None:
    plan = make_plan(1, PlanOptions(kills=1_000, one_supervisor=True))
    assert "kill_supervisor" not in {action.kind for action in plan}


def test_plan_of_one_target_kills_nothing_else() -> None:
    plan = make_plan(1, PlanOptions(kills=50, only="brain-0"))
    assert {(action.kind, action.targets) for action in plan} == {("kill", ("brain-0",))}


def test_file_that_grows_and_is_rotated_is_read_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    tail = FileTail(path)
    assert list(tail.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(tail.lines()) == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    path.rename(tmp_path / "file.1")
    path.write_bytes(b"four\n")
    assert list(tail.lines()) == [b"two", b"three", b"four"]
    assert list(tail.lines()) == []
    tail.close()


def test_ledger_gives_the_matches_of_each_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(f"{NAME} 6 3 100.5 6 sell 1630048897897 42\n".encode())
    ledger = LedgerTail(path)
    ledger.poll()
    ledger.close()
    assert sorted(ledger.truth[NAME]) == [4, 5, 6]
    assert sum(match[1] for match in ledger.truth[NAME].values()) == pytest.approx(6)
    assert {match[2:] for match in ledger.truth[NAME].values()} == {(-1, STAMP_MS)}
    assert ledger.last_id == {NAME: 6}


def test_digest_is_the_same_however_rows_are_cut_and_another_for_other_rows() -> None:
    rows = trades(*((match, 1) for match in range(1, 131)))
    whole = RowDigest().add(rows)
    digest = RowDigest()
    parts = [*digest.add(rows[:50]), *digest.add(rows[50:])]
    assert parts == whole
    assert [sequence for sequence, _ in whole] == [64, 128]
    rows["price"][70] += 1
    changed = RowDigest().add(rows)
    assert changed[0] == whole[0]
    assert changed[1] != whole[1]
