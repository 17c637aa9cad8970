"""The kernel's count of kills for memory: where it stands, and that growth is dated."""

from __future__ import annotations

import pytest

from supervisor.oom import WINDOW_NS, OomKills, count_paths

S = 1_000_000_000


@pytest.fixture
def count_file(tmp_path):
    path = tmp_path / "memory.events"

    def write(count):
        path.write_text(f"low 0\noom 3\noom_kill {count}\noom_group_kill 9\n")
        return str(path)

    write(0)
    return write


def test_a_count_that_rests_is_no_hint(count_file):
    kills = OomKills([count_file(4)])
    assert not kills.killed_lately(10 * S)


def test_a_count_that_grew_is_a_hint_for_a_while(count_file):
    kills = OomKills([count_file(4)])
    count_file(5)
    assert kills.killed_lately(10 * S)
    assert kills.killed_lately(10 * S + WINDOW_NS)
    assert not kills.killed_lately(10 * S + WINDOW_NS + 1)


def test_growth_that_was_seen_by_a_regular_look_is_dated_by_it(count_file):
    kills = OomKills([count_file(0)])
    count_file(1)
    kills.look(10 * S)
    assert kills.killed_lately(11 * S), "the kernel counts before the process is gone"
    assert not kills.killed_lately(20 * S), "somebody else's death, long after"


@pytest.mark.parametrize("text", ["", "oom_kill\n", "oom_kill many\n", None])
def test_a_count_that_cannot_be_read_any_more_is_no_hint_and_no_error(count_file, tmp_path, text):
    kills = OomKills([count_file(1)])
    path = tmp_path / "memory.events"
    path.unlink() if text is None else path.write_text(text)
    assert not kills.killed_lately(10 * S)
    count_file(2)
    assert kills.killed_lately(11 * S)


def test_the_first_file_that_holds_a_count_is_the_one(count_file, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 100\n")
    kills = OomKills([str(tmp_path / "none"), str(empty), count_file(1), str(vmstat)])
    vmstat.write_text("oom_kill 101\n")
    assert not kills.killed_lately(10 * S), "another group's"
    count_file(2)
    assert kills.killed_lately(10 * S)


def test_without_any_count_there_is_no_hint(tmp_path):
    assert not OomKills([str(tmp_path / "none")]).killed_lately(10 * S)
    assert not OomKills([]).killed_lately(10 * S)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("0::/a.slice/b\n", ["/cg/a.slice/b/memory.events", "/cg/memory.events"]),
        ("0::/\n", ["/cg/memory.events", "/cg/memory.events"]),
        (
            "5:pids:/x\n4:cpu,memory:/y\n",
            ["/cg/memory/y/memory.oom_control", "/cg/memory/memory.oom_control"],
        ),
        ("what is this\n\n", []),
        (None, []),
    ],
)
def test_the_own_group_comes_before_the_whole_host(tmp_path, text, paths):
    (tmp_path / "self").mkdir()
    if text is not None:
        (tmp_path / "self/cgroup").write_text(text)
    found = count_paths(proc=str(tmp_path), cgroup_root="/cg")
    assert list(found) == [*paths, f"{tmp_path}/vmstat"]


def test_this_host_has_a_count():
    assert OomKills()._count() is not None
