"""What the doctor makes of facts: each row's state, words and cure."""

from __future__ import annotations

import pytest

from hunter.cli import findings
from hunter.cli.findings import (
    FAIL,
    OK,
    WARN,
    Finding,
    LimitFact,
    PlaceFact,
    PortFact,
    ReachFact,
    RoomFact,
    SecretFault,
    SkewSample,
)


def only(rows: list[Finding]) -> Finding:
    (row,) = rows
    return row


def test_old_python_fails_and_a_missing_compiled_half_is_told() -> None:
    old, half = findings.python_findings((3, 10, 2), "x86_64", "compiled")
    assert (old.state, half.state) == (FAIL, OK)
    new, missing = findings.python_findings((3, 11, 0), "x86_64", "missing")
    assert (new.state, new.found, missing.state) == (OK, "3.11.0 on x86_64", WARN)
    assert "python3-dev" in missing.cure
    off = findings.python_findings((3, 13), "x86_64", "off")[1]
    assert (off.state, off.cure) == (WARN, "unset HUNTER_NATIVE")


def test_missing_library_fails() -> None:
    assert only(findings.library_findings({"click": "8.2"})).found == "click 8.2"
    row = only(findings.library_findings({"click": "8.2", "pyzmq": None}))
    assert (row.state, row.found) == (FAIL, "not installed: pyzmq")


def test_clashes_of_names() -> None:
    assert only(findings.clash_findings([], False, "")).state == OK
    other = only(findings.clash_findings(["supervisor"], False, ""))
    assert (other.state, "supervisor also owns" in other.found) == (WARN, True)
    assert only(findings.clash_findings(["supervisor"], True, "")).state == FAIL
    path = only(findings.clash_findings([], False, "/usr/bin/hunter"))
    assert (path.state, "/usr/bin/hunter" in path.found) == (WARN, True)


def test_missing_extra_names_key_and_command() -> None:
    assert only(findings.extra_findings({})).state == OK
    row = only(findings.extra_findings({"web": "web.enabled"}))
    assert (row.state, row.found) == (FAIL, "web.enabled needs web")
    assert row.cure == "pip install 'okx-hunter[web]'"


@pytest.mark.parametrize(
    ("place", "state", "said"),
    [
        (PlaceFact("hunter.data_dir", "/d", True, True, "", 0o755), OK, "/d"),
        (PlaceFact("hunter.data_dir", "/d", False, True, "", 0), OK, "made at the first start"),
        (PlaceFact("hunter.log_dir", "/d", True, False, "denied", 0), FAIL, "/d: denied"),
        (PlaceFact("hunter.runtime_dir", "/d", True, True, "", 0o777), FAIL, "mode 0777"),
        (PlaceFact("hunter.runtime_dir", "/d", True, True, "", 0o700), OK, "/d"),
        (PlaceFact("hunter.runtime_dir", "/d", True, True, "", 0o700, 9), FAIL, "by 9 bytes"),
    ],
)
def test_places(place: PlaceFact, state: str, said: str) -> None:
    row = only(findings.place_findings([place]))
    assert row.state == state
    assert said in row.found
    assert row.check == place.key.partition(".")[2].replace("_", " ")


@pytest.mark.parametrize(
    ("room", "state", "cure"),
    [
        (RoomFact(100_000_000, 100_000_000, 50_000_000, 0, None), OK, ""),
        (RoomFact(0, 64_000_000, 50_000_000, 63_000_000, None), OK, ""),
        (RoomFact(60_000_000, 64_000_000, 50_000_000, 0, 4096), WARN, "ring.capacity = 4096"),
        (RoomFact(40_000_000, 64_000_000, 50_000_000, 0, None), FAIL, "mount -o remount"),
    ],
)
def test_shared_memory(room: RoomFact, state: str, cure: str) -> None:
    row = only(findings.shared_memory_findings(room))
    assert row.state == state
    assert row.cure.startswith(cure)


@pytest.mark.parametrize(
    ("soft", "hard", "state", "cure"),
    [
        (-1, -1, OK, ""),
        (1024, 4096, OK, ""),
        (100, -1, WARN, "ulimit -n 138"),
        (32, 4096, FAIL, "ulimit -n 138"),
        (32, 64, FAIL, "raise the hard limit above 138"),
    ],
)
def test_open_files(soft: int, hard: int, state: str, cure: str) -> None:
    row = only(findings.descriptor_findings(soft, hard, 10))
    assert row.state == state
    assert row.cure.startswith(cure)


def port(wanted: bool = True, taken: dict[int, str] | None = None, **other: object) -> PortFact:
    return PortFact(wanted, "127.0.0.1", 80, taken or {}, **{"is_ours": False, **other})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fact", "state", "said"),
    [
        (port(), OK, "127.0.0.1:80 is free"),
        (port(wanted=False), OK, "the page is off"),
        (
            port(taken={80: "pid 7 (x)"}),
            WARN,
            "taken by pid 7 (x); the page would be at 81",
        ),
        (port(wanted=False, taken={80: "pid 7 (x)"}), OK, "is taken by pid 7 (x)"),
        (port(taken=dict.fromkeys(range(80, 90), "x")), FAIL, "the nine after it are taken"),
        (port(is_ours=True), OK, "the page has it"),
        (port(why_not="Permission denied"), FAIL, "Permission denied"),
        (port(wanted=False, why_not="Permission denied"), OK, "Permission denied"),
    ],
)
def test_ports(fact: PortFact, state: str, said: str) -> None:
    row = only(findings.port_findings(fact))
    assert row.state == state
    assert said in row.found


def test_too_few_processors_are_told() -> None:
    assert only(findings.cpu_findings(2, 1)).state == OK
    assert only(findings.cpu_findings(1, 1)).state == WARN
    assert "fewer stream.shards" in only(findings.cpu_findings(2, 4)).cure


def test_limits_of_the_control_group() -> None:
    assert findings.limit_findings(LimitFact(0, 0, 0.0), 1, 1) == []
    memory, tasks = findings.limit_findings(LimitFact(100_000_000, 10, 0.0), 200_000_000, 5)
    assert (memory.state, tasks.state) == (WARN, WARN)
    assert "MemoryMax" in memory.cure
    assert "TasksMax" in tasks.cure
    fine = findings.limit_findings(LimitFact(1 << 30, 1000, 0.0), 200_000_000, 5)
    assert [row.state for row in fine] == [OK, OK]


@pytest.mark.parametrize(
    ("free", "store_mb", "state"),
    [
        (10**10, 0, OK),
        (10**10, 20_000, WARN),
        (400_000_000, 0, WARN),
        (40_000_000, 0, FAIL),
    ],
)
def test_disk(free: int, store_mb: int, state: str) -> None:
    assert only(findings.disk_findings("/d", free, 512, store_mb)).state == state


def test_secrets() -> None:
    assert findings.secret_findings([], {}) == []
    assert only(findings.secret_findings(["alerts.webhook"], {})).state == OK
    fault = SecretFault("/srv/environment/hook: permission denied", is_elsewhere=False)
    bad = only(findings.secret_findings(["x"], {"alerts.webhook": fault}))
    assert (bad.state, bad.cure) == (FAIL, "")
    fault = SecretFault("the environment has no HOOK", is_elsewhere=True)
    unset = only(findings.secret_findings([], {"alerts.webhook": fault}))
    assert unset.state == WARN
    assert "this shell need not" in unset.cure


@pytest.mark.parametrize(
    ("ahead_ms", "state", "said"),
    [
        ((5.0, 6.0, 900.0), OK, "6 ms behind the exchange's, within 20 ms"),
        ((-300.0, -300.0, 0.0), WARN, "300 ms ahead of the exchange's"),
        ((20_000.0, 20_000.0, 20_000.0), FAIL, "20000 ms behind"),
        ((260.0, 260.0, 260.0), OK, "within 20 ms"),
    ],
)
def test_clock_is_judged_by_the_median_less_half_the_round_trip(
    ahead_ms: tuple[float, ...], state: str, said: str
) -> None:
    row = only(findings.skew_findings([SkewSample(each, 40.0) for each in ahead_ms], ""))
    assert row.state == state
    assert said in row.found


def test_clock_that_could_not_be_compared_is_told() -> None:
    row = only(findings.skew_findings([], "no answer"))
    assert (row.state, row.found) == (WARN, "not compared with the exchange's: no answer")


def test_reached_and_not_reached_servers() -> None:
    good = only(findings.reach_findings(ReachFact("wss://x", "open", "", "http://p:1", 2, 95.4)))
    assert (good.state, good.found) == (
        OK,
        "wss://x through http://p:1: 2 addresses, open in 95 ms",
    )
    near = only(findings.reach_findings(ReachFact("ws://127.0.0.1:1", "open", "")))
    assert "address" not in near.found
    bad = only(findings.reach_findings(ReachFact("wss://x.y:8443/z", "resolving", "unknown")))
    assert (bad.state, bad.found) == (FAIL, "wss://x.y:8443/z: resolving: unknown")
    assert "getent hosts x.y;" in bad.cure
    assert "hunter start --demo" in bad.cure


def test_leftovers_are_a_warning_with_both_ways_on() -> None:
    assert findings.leftover_findings(["/x"], is_running=True) == []
    assert only(findings.leftover_findings([], is_running=False)).state == OK
    many = [f"/x{number}" for number in range(10)]
    row = only(findings.leftover_findings(many, is_running=False))
    assert row.state == WARN
    assert row.found.endswith("/x7 and 2 more")
    assert "hunter start goes on" in row.cure
    assert "hunter doctor --fix" in row.cure


@pytest.mark.parametrize(
    ("state", "told", "row_state"),
    [
        ("running", [], OK),
        ("stopped", [("is not running", "")], OK),
        ("stopped", [("the supervisor (pid 1) was killed", "")], WARN),
        ("stopped", [], OK),
        ("degraded", [("x is stale", "hunter logs")], FAIL),
        ("starting", [("x is starting", "")], WARN),
        ("stopping", [], WARN),
    ],
)
def test_instance_has_the_words_of_status(
    state: str, told: list[tuple[str, str]], row_state: str
) -> None:
    row = only(findings.instance_findings("lab", state, told))
    assert row.state == row_state
    for reason, step in told:
        assert reason in row.found
        assert row.cure == step


def test_worst_of_rows() -> None:
    rows = [Finding("a", OK, ""), Finding("b", WARN, "")]
    assert findings.worst(rows[:1]) == OK
    assert findings.worst(rows) == WARN
    assert findings.worst([*rows, Finding("c", FAIL, "")]) == FAIL
