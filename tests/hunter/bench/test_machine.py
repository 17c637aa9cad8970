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
