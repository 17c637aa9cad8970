"""Plug-ins that misbehave in a live instance against the embedded exchange: it goes on, and says
so in its status and its log.

With the libraries of `make test-ml` a model of each kind votes, too.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fakes import troubled_brains, user_experts
from fakes.instance import HunterInstance, wait_until
from fakes.training import logistic, sample
from fakes.troubled_brains import CRASHES, IS_FINE, IS_SLOW, SAYS_NAN
from fakes.whole_tree import pids_of

from hunter.brain.adapters.sklearn import export_logistic

pytestmark = pytest.mark.system

DECIDES = ("brain.interval_ms=50", "brain.warm_ms=0", "brain.horizon_ms=100")


@contextlib.contextmanager
def demo(home: Path, *settings: str) -> Iterator[HunterInstance]:
    instance = HunterInstance(home, (*DECIDES, *settings), None)
    try:
        instance.start("--demo")
        yield instance
    finally:
        instance.stop()


def reasons(instance: HunterInstance) -> str:
    return "\n".join(instance.status()["reasons"])


def wait_for_reasons(instance: HunterInstance, *texts: str) -> Any:
    return wait_until(
        f"reasons with {texts}", lambda: all(text in reasons(instance) for text in texts)
    )


def test_brains_that_crash_say_nan_or_dawdle_are_told_and_the_others_go_on(home: Path) -> None:
    troubled_brains.put_beside(home)
    names = ", ".join(f'"{name}"' for name in (CRASHES, SAYS_NAN, IS_SLOW, IS_FINE))
    with demo(home, troubled_brains.KIND, f"okx.instruments=[{names}]") as instance:
        pids = pids_of(instance)
        kind = "troubled_brains:Troubled"
        crash = f"{CRASHES}: {kind}: in shadow after 3 failures: decide raised RuntimeError: the w"
        no_number = f"{SAYS_NAN}: {kind}: in shadow after 3 failures: decide returned probability_"
        late = f"{IS_SLOW}: {kind}: decide takes longer than brain.budget_us = 200"
        wait_for_reasons(instance, crash, no_number, late)
        assert instance.status()["state"] == "degraded"
        for line in (crash, no_number, late):
            assert line in instance.log("brain-0")

        seen = dict.fromkeys((IS_SLOW, IS_FINE), 0)
        for signal in instance.signals():
            if signal["instrument"] in seen:
                seen[signal["instrument"]] += signal["direction"] != "flat"
            elif signal["direction"] != "flat":
                pytest.fail(f"of a brain that never made sense: {signal}")
        assert min(seen.values()) > 3, "the good one and the slow one are heard"
        before = instance.status()["brain"]["decisions"]
        wait_until("more", lambda: instance.status()["brain"]["decisions"] > before + 20)
        assert pids_of(instance) == pids


def models(home: Path) -> list[str]:
    """An entry for a model of each kind whose library is there."""
    model, scaler = logistic()
    entries = [export_logistic(model, scaler, home / "logistic.json")]
    x, y = sample()
    if find_spec("lightgbm"):
        import lightgbm

        options = {"objective": "binary", "verbosity": -1, "num_threads": 1}
        lightgbm.train(options, lightgbm.Dataset(x, y), 10).save_model(home / "trees.txt")
        entries.append(f"lightgbm:{home}/trees.txt")
    if find_spec("onnxruntime") and find_spec("skl2onnx"):
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression().fit(x, y)
        shape = [("x", FloatTensorType([None, x.shape[1]]))]
        made = convert_sklearn(fitted, initial_types=shape, options={"zipmap": False})
        (home / "model.onnx").write_bytes(made.SerializeToString())
        entries.append(f"onnx:{home}/model.onnx")
    if find_spec("river"):
        (home / "online_models.py").write_text(
            "from river import linear_model, preprocessing\n"
            "def linear():\n"
            "    return preprocessing.StandardScaler() | linear_model.LogisticRegression()\n"
        )
        entries.append("river:online_models:linear")
    return entries


def pinned(instance_home: Path, entries: list[str]) -> list[str]:
    """With the hash that hunter itself tells, as a user would write it down."""
    from hunter.brain.adapters.pinned import check_experts
    from hunter.errors import ConfigError

    found = []
    for entry in entries:
        try:
            check_experts((entry,), instance_home)
        except ConfigError as error:
            entry = str(error).rpartition('write "')[2].rstrip('"')
        found.append(entry)
    return found


@pytest.mark.filterwarnings("default")
def test_experts_that_crash_say_nan_or_dawdle_are_told_and_the_others_vote(home: Path) -> None:
    shutil.copy(user_experts.__file__, home / "user_experts.py")
    good = [*pinned(home, models(home)), "user_experts:Steady"]
    bad = [f"user_experts:{name}" for name in ("Crashing", "Dividing", "Slow")]
    entries = ", ".join(f'"{entry}"' for entry in good + bad)
    with demo(home, f"brain.experts=[{entries}]", "brain.budget_us=1500") as instance:
        pids = pids_of(instance)
        wait_for_reasons(
            instance,
            "user_experts:Crashing: in shadow after 3 failures: predict raised RuntimeError: the",
            "user_experts:Dividing: in shadow after 3 failures: predict returned nan",
            "user_experts:Slow: predict takes longer than brain.budget_us = 1500",
        )
        assert not any(f"{name}: in shadow" in reasons(instance) for name in ("Steady", "sklearn"))
        assert "user_experts:Crashing: in shadow" in instance.log("brain-0")
        before = instance.status()["brain"]["decisions"]
        wait_until("more", lambda: instance.status()["brain"]["decisions"] > before + 20)
        assert pids_of(instance) == pids
        names = [entry.partition("#")[0] for entry in good + bad]
        weights = instance.signals()[-1]["experts"]
        assert weights.keys() >= set(names)


def test_model_file_that_is_not_the_pinned_one_keeps_hunter_from_starting(home: Path) -> None:
    entry = export_logistic(*logistic(), home / "m.json")
    instance = HunterInstance(home, (f'brain.experts=["{entry}"]',), None)
    (home / "m.json").write_bytes(b"{}")
    done = instance.start("--demo", check=False)
    assert done.returncode == 78
    assert "m.json: is not the file that was named; if you trust it as it is, write" in done.stderr
    (home / "hunter.toml").write_text(f'[brain]\nexperts = ["{entry}"]\n')
    checked = instance.command("config", "check", check=False)
    assert checked.returncode == 78
    assert "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" in checked.stderr
