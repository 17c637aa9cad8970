from __future__ import annotations

import platform
from pathlib import Path

from hunter.bench import machine


def test_machine_says_what_the_figures_were_taken_on() -> None:
    found = machine.describe()
    assert found["python"] == platform.python_version()
    assert found["cores"] >= 1
    text = machine.line(found)
    assert found["cpu"] in text
    assert "compiled" in text


def test_processor_has_a_name_even_where_the_kernel_tells_none(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    assert machine._cpu_model(info) == "Some CPU @ 2 GHz"
    info.write_text("processor: 0\n")
    assert machine._cpu_model(info)
    assert machine._cpu_model(tmp_path / "none")


def test_busy_share_of_each_core_is_that_between_two_looks(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9\ncpu0 10 0 10 80 0 0 0 0 5 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 1\n"
    )
    before = machine.core_ticks(stat)
    assert before == {0: (20, 100), 1: (0, 100)}
    stat.write_text("cpu0 20 0 20 140 20 0 0 0 5 0\ncpu1 90 0 0 110 0 0 0 0 0 0\n")
    assert machine.core_percent(before, machine.core_ticks(stat)) == {"0": 20.0, "1": 90.0}
