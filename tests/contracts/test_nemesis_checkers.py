"""Each invariant's checker is silent on what is right and speaks on what is broken; a plan follows
from its seed; what the nemesis reads grows under its hands and is read once.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import checkers
from fakes.checkers import Death, Left, ReaderLog, Sample, Tape, Term, Truth
from fakes.nemesis_plan import PlanOptions, make_plan, parse_plan, plan_text
from fakes.nemesis_truth import FileTail, LedgerTail, RowDigest

from hunter.ring.rows import BOOK_LEVELS, Kind, TradeFlag, numpy_dtype
from supervisor.events import ChildExited, ChildSpawned, Report, ReportKind, Tick
from supervisor.policy import decide
from supervisor.spec import ChildSpec, TreeSpec
from supervisor.tree import initial_tree

NAME = "BTC-USDT-SWAP"


def trades(*matches: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Rows as a sound ring has them, of (last match, count)."""
    rows = np.zeros(len(matches), dtype=numpy_dtype(Kind.TRADE))
    for place, (trade_id, count) in enumerate(matches):
        row = rows[place]
        row["sequence"], row["arrival"], row["trade_id"] = place + 1, 2 * place + 1, trade_id
        row["price"], row["size"], row["count"], row["side"] = 100.5, 2.0 * count, count, 1
        row["received_ts_ns"] = 1
    return rows


def truth_of(last_id: int) -> Truth:
    return dict.fromkeys(range(1, last_id + 1), (100.5, 2.0, 1))


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


@pytest.mark.parametrize(("name", "value"), [("price", 100.4), ("side", -1), ("size", 2.5)])
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


def test_i3_reader_that_saw_what_was_checked_passes() -> None:
    tape = Tape(NAME, digests={64: 1, 128: 2, 192: 3})
    log = ReaderLog(digests={NAME: {64: 1, 128: 2}}, ended=True)
    assert checkers.check_reader(log, {NAME: tape}) == []


@pytest.mark.parametrize(
    "log",
    [
        ReaderLog(digests={NAME: {64: 1, 128: 7}}, ended=True),
        ReaderLog(digests={NAME: {64: 1}}, wrong=["a hole in the newest rows"], ended=True),
        ReaderLog(digests={NAME: {64: 1}}),
        ReaderLog(ended=True),
    ],
    ids=["saw other rows", "saw a torn row", "died", "saw nothing"],
)
def test_i3_reader_that_saw_something_else_or_nothing_is_found(log: ReaderLog) -> None:
    assert checkers.check_reader(log, {NAME: Tape(NAME, digests={64: 1, 128: 2})})


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


def samples(rss_growth: float = 0.0, descriptor_growth: float = 0.0) -> list[Sample]:
    return [
        Sample(7, place, int(3e7 * (1 + rss_growth * place)), int(27 + descriptor_growth * place))
        for place in range(200)
    ]


def test_i6_flat_supervisor_passes() -> None:
    assert checkers.check_flat(samples()) == []


def test_i6_supervisor_that_was_replaced_is_compared_with_itself_only() -> None:
    assert checkers.check_flat([*samples(), *(Sample(8, 0, 9, 9) for _ in range(100))]) == []


@pytest.mark.parametrize("growth", [{"rss_growth": 0.001}, {"descriptor_growth": 0.1}])
def test_i6_supervisor_that_grows_is_found(growth: dict[str, float]) -> None:
    assert checkers.check_flat(samples(**growth))


def term(restarts: int, *, settled: bool = True) -> Term:
    injected = [Death("brain-0", 7, "signal"), Death("brain-0", 8, "hang")]
    exits = {"brain-0": {"signal": 1, "hang": restarts - 1}}
    return Term(injected, {"brain-0": restarts, "watchdog": 0}, exits, settled)


def test_i7_counters_that_equal_the_faults_pass() -> None:
    assert checkers.check_restarts(term(2)) == []


@pytest.mark.parametrize("restarts", [1, 3])
def test_i7_counters_that_are_off_by_one_are_found(restarts: int) -> None:
    assert checkers.check_restarts(term(restarts))


def test_i7_supervisor_that_was_killed_may_have_counted_less_but_never_more() -> None:
    assert checkers.check_restarts(term(1, settled=False)) == []
    assert checkers.check_restarts(term(3, settled=False))


def test_i7_cause_that_was_not_injected_is_found() -> None:
    wrong = Term([Death("brain-0", 7, "signal")], {"brain-0": 1}, {"brain-0": {"hang": 1}})
    assert checkers.check_restarts(wrong)


def test_i7_one_record_for_each_death_passes() -> None:
    done = term(2)
    assert checkers.check_deaths([done], done.injected) == []
    assert checkers.foreign_kills([done], done.injected) == []


def test_i7_missing_doubled_and_foreign_records_are_found() -> None:
    done = term(2)
    assert checkers.check_deaths([done], done.injected[:1])
    assert checkers.check_deaths([done], done.injected * 2)
    assert checkers.check_deaths([done], [*done.injected, Death("stream-0", 9, "exit")])


def test_kill_that_nobody_of_us_sent_makes_a_run_invalid() -> None:
    done, foreign = term(2), Death("stream-0", 9, "signal")
    assert checkers.foreign_kills([done], [*done.injected, foreign]) == [foreign]
    assert checkers.foreign_kills([done], [Death("stream-0", 9, "exit")]) == []


def test_i8_secret_and_half_a_secret_are_found() -> None:
    secret = "dummy-6f1c0a9be47d"
    assert checkers.check_secrets([("a.log", b"connected")], [secret]) == []
    assert checkers.check_secrets([("a.log", b"with " + secret.encode())], [secret])
    assert checkers.check_secrets([("a.log", b"with dummy-6f1...")], [secret])


def test_signal_that_is_there_twice_or_names_no_row_is_found() -> None:
    tapes = {NAME: Tape(NAME, sequence=3)}

    def signal(number: int, sequence: int = 3) -> Any:
        return SimpleNamespace(id=f"r-{number}", instrument=NAME, trade_sequence=sequence)

    assert checkers.check_signals([signal(1), signal(2)], tapes) == []
    assert checkers.check_signals([signal(1), signal(1)], tapes)
    assert checkers.check_signals([signal(1, 4)], tapes)


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
    assert sum(size for _, size, _ in ledger.truth[NAME].values()) == pytest.approx(6)
    assert {side for _, _, side in ledger.truth[NAME].values()} == {-1}
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


def test_report_of_a_death_says_when_it_was_noticed_not_when_it_was_written_down() -> None:
    """The nemesis measures by it; the start of the next one comes between."""
    spec = TreeSpec(children=(ChildSpec(name="brain-0", argv=("brain",)),))
    tree, _ = decide(initial_tree(spec, 1), Tick(0), 1_000)
    tree, _ = decide(tree, ChildSpawned("brain-0", 7), 2_000)
    _, actions = decide(tree, ChildExited("brain-0", None, 9), 3_000)
    told = {each.kind: each.at_ns for each in actions if isinstance(each, Report)}
    assert told[ReportKind.DIED] == 3_000
