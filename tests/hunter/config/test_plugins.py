from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hunter.config.plugins import (
    BRAINS,
    EXPERTS,
    EXPERTS_MAX,
    ExpertSpec,
    experts_fault,
    installed,
    kind_fault,
    parse_expert,
)
from hunter.errors import ConfigError

HASH = "0f" * 32


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers a brain and an expert."""
    info = tmp_path / "clever-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clever\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{BRAINS}]\nmomentum = clever:Momentum\n[{EXPERTS}]\nforest = clever:Forest\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_installed_names_what_a_package_offers(package: Path) -> None:
    assert installed(BRAINS)["momentum"].value == "clever:Momentum"
    assert "momentum" not in installed(EXPERTS)
    assert kind_fault("momentum") == ""
    assert parse_expert("forest").kind == "installed"


def test_kind_that_nobody_knows_is_told_what_there_is(package: Path) -> None:
    assert kind_fault("momentun").endswith(
        'or the name of an installed one; did you mean "momentum"?'
    )
    assert kind_fault("zzz").endswith("or the name of an installed one; known: momentum")


def test_kind_that_nobody_knows_where_none_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert kind_fault("flaw") == (
        '"flaw" is no brain; write "flow" or "module:Class", or the name of an installed one;'
        " none is installed"
    )


@pytest.mark.parametrize("kind", ["flow", "module:Class", "a.b:C"])
def test_kinds_that_may_be(kind: str) -> None:
    assert kind_fault(kind) == ""


@pytest.mark.parametrize(
    ("text", "spec", "name"),
    [
        (
            f"lightgbm:models/btc.txt#sha256={HASH}",
            ("lightgbm", "models/btc.txt", HASH, None),
            "lightgbm:models/btc.txt",
        ),
        (
            f"onnx:/m/a b.onnx#horizon_ms=5000&sha256={HASH.upper()}",
            ("onnx", "/m/a b.onnx", HASH, 5_000),
            "onnx:/m/a b.onnx@5000",
        ),
        ("sklearn:m.json", ("sklearn", "m.json", "", None), "sklearn:m.json"),
        ("river:mine:model", ("river", "mine:model", "", None), "river:mine:model"),
        ("mine.a:Expert#horizon_ms=1000", ("class", "mine.a:Expert", "", 1_000), None),
    ],
)
def test_expert_is_taken_apart(
    text: str, spec: tuple[str, str, str, int | None], name: str | None
) -> None:
    found = parse_expert(text)
    assert found == ExpertSpec(text, *spec)
    assert found.name == (name or "mine.a:Expert@1000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", '"" is no expert; write "module:Class"'),
        ("onnx:", 'names no file; write "onnx:PATH#sha256=HEX"'),
        ("onnx:a#sha256=12", "64 hexadecimal digits"),
        ("onnx:a#sha=12", 'not "sha=12"; did you mean "sha256"'),
        ("onnx:a#sha256", 'not "sha256"'),
        (f"onnx:a#sha256={HASH}&sha256={HASH}", 'not "sha256=0f0f'),
        ("a:B#horizon_ms=5s", "horizon_ms takes a number from 100 to 600000"),
        ("a:B#sha256=" + HASH, "only a file has a sha256"),
        ("river:model", 'write "river:module:factory"'),
        ("pickle:model.pkl", '"pickle:model.pkl" is no expert'),
    ],
)
def test_expert_that_is_none_is_told_what_one_is(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_expert(text)
    assert says in str(caught.value)
    assert experts_fault((text,)) == str(caught.value)


def test_experts_are_few_and_each_named_once() -> None:
    assert experts_fault(("a:B", "a:B#horizon_ms=1000", "a:C")) == ""
    assert experts_fault(("a:B", "a:C", "a:B")) == '"a:B" is named twice'
    many = tuple(f"a:B{number}" for number in range(EXPERTS_MAX + 1))
    assert experts_fault(many) == "17 experts; at most 16"
    assert experts_fault(many[1:]) == ""
