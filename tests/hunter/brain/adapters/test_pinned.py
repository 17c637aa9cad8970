from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from hunter.brain.adapters import pinned
from hunter.brain.adapters.pinned import check_experts, read_pinned
from hunter.config.plugins import parse_expert
from hunter.errors import ConfigError

CONTENT = b"tree\nversion=v4\n"
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/btc.txt").write_bytes(CONTENT)
    return tmp_path


def test_file_with_its_hash_is_read_from_beside_the_configuration(base: Path) -> None:
    assert read_pinned(parse_expert(f"sklearn:models/btc.txt#sha256={HASH}"), base) == CONTENT
    path = base / "models/btc.txt"
    check_experts((f"sklearn:{path}#sha256={HASH}", "mine:Expert"), Path("/nowhere"))


@pytest.mark.parametrize(
    ("fragment", "says"),
    [
        ("", "is named without its hash"),
        ("#sha256=" + "00" * 32, "is not the file that was named"),
        ("#horizon_ms=5000", "is named without its hash"),
    ],
)
def test_file_without_its_hash_is_refused_with_what_to_write(
    base: Path, fragment: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        check_experts(("mine:Expert", f"sklearn:models/btc.txt{fragment}"), base)
    assert caught.value.exit_code == 78
    horizon = "&horizon_ms=5000" if "horizon" in fragment else ""
    entry = f"sklearn:models/btc.txt#sha256={HASH}{horizon}"
    assert str(caught.value).endswith(f'write "{entry}"')
    check_experts((entry,), base)


def test_file_that_cannot_be_read_is_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"absent\.txt: cannot be read: No such file"):
        check_experts((f"sklearn:absent.txt#sha256={HASH}",), base)
    with pytest.raises(ConfigError, match="models: cannot be read"):
        check_experts((f"sklearn:models#sha256={HASH}",), base)
    monkeypatch.setattr(pinned, "FILE_BYTES_MAX", len(CONTENT) - 1)
    with pytest.raises(ConfigError, match="larger than"):
        check_experts((f"sklearn:models/btc.txt#sha256={HASH}",), base)


def test_file_whose_library_is_missing_is_refused_before_it_is_read(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ConfigError, match="lightgbm is not installed"):
        check_experts(("lightgbm:absent.txt",), base)
