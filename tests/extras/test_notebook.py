"""The example notebook, run from top to bottom beside a demo; the one in the repository is bare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HunterInstance, temporary_home, wait_until

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("polars")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "live.ipynb"
CELL_TIMEOUT_S = 60
SETTINGS = ("brain.interval_ms=100", "brain.warm_ms=1000", "brain.coverage=1.0")


@pytest.fixture
def demo() -> Iterator[HunterInstance]:
    with temporary_home() as home:
        instance = HunterInstance(home, SETTINGS, None)
        try:
            instance.start("--demo")
            yield instance
        finally:
            instance.stop()


def outputs(notebook: Any) -> list[str]:
    """What each code cell printed or showed, as text."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [
                output.get("text") or output.get("data", {}).get("text/plain", "")
                for output in cell.outputs
            ]
            found.append("\n".join(texts))
    return found


@pytest.mark.filterwarnings("default")  # the libraries' own, in this process
def test_notebook_runs_beside_a_demo(demo: HunterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(demo.home / "jupyter"))
    monkeypatch.setenv("HUNTER_CONFIG", str(demo.config_file))
    wait_until("signals", lambda: len(demo.signals()) >= 5)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(demo.home)}},
    )
    client.execute()
    status, trades, bars, book, view, signals, end = outputs(notebook)
    assert "brain-0" in status
    assert "BTC-USDT-SWAP" in status
    assert "shape: (5, 5)" in trades
    assert "datetime[ns, UTC]" in trades
    assert "complete" in bars
    assert "imbalance of five levels:" in book
    assert "intact: True" in view
    assert signals.count("(") >= 5
    assert end == ""


def test_notebook_in_the_repository_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)
