from __future__ import annotations

import os
from pathlib import Path

from hunter.files import private_opener


def test_file_is_for_its_owner_alone_and_not_inherited(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open(tmp_path / "x", "wb", opener=private_opener) as file:
            assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
            assert not os.get_inheritable(file.fileno())
    finally:
        os.umask(before)
