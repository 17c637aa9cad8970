"""Directories that another user could exchange under us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hunter.errors import SegmentUnusable
from hunter.ring.segment import make_private_dir

NOBODY = 65_534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def everybodys(tmp_path: Path) -> Path:
    """As /tmp is."""
    made = tmp_path / "tmp"
    made.mkdir()
    made.chmod(0o1777)
    return made


@as_root
def test_directory_below_one_that_another_user_made_first_is_refused(everybodys: Path) -> None:
    theirs = everybodys / "hunter-0"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    for path in (theirs, theirs / "default", theirs / "a" / "b"):
        with pytest.raises(SegmentUnusable, match=r"of this user|belongs to another user"):
            make_private_dir(path)


@as_root
def test_directory_in_the_home_of_another_user_is_for_root_to_choose(tmp_path: Path) -> None:
    home = tmp_path / "home"  # such as a project mounted into a container
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    make_private_dir(home / "run")
    assert (home / "run").is_dir()


def test_directory_of_ours_below_everybodys_is_fine(everybodys: Path) -> None:
    make_private_dir(everybodys / "hunter" / "default")
    make_private_dir(everybodys / "hunter" / "default")
