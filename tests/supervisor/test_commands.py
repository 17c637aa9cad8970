"""What can be asked, and a source that asks nothing."""

from __future__ import annotations

from supervisor.commands import OPERATOR, NoCommands, RestartChild, StopAll


def test_a_restart_is_the_operators_and_fences_nothing_unless_told():
    assert RestartChild("a") == RestartChild("a", reason=OPERATOR, pid=0)


def test_a_stop_of_all_is_patient_unless_told():
    assert not StopAll().fast


def test_no_commands_has_neither_a_descriptor_nor_requests():
    source = NoCommands()
    assert source.fileno() == -1
    assert source.receive() == []
