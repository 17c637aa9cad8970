from __future__ import annotations

import select
import threading
from typing import Any

from fakes.actor_stage import Stage

from hunter.bus.messages import Describe, RestartActor, StopActor, StopAll
from hunter.bus.sockets import ControlClient, ControlServer
from hunter.system.control import ControlSource
from supervisor.commands import Answer, RestartChild, StopChild
from supervisor.commands import Describe as DescribeTree
from supervisor.commands import StopAll as StopTree


def test_commands_of_the_bus_reach_the_tree_and_are_answered(stage: Stage) -> None:
    server = ControlServer(stage.config.runtime_dir)
    client = ControlClient(stage.config.runtime_dir)
    source = ControlSource(server)
    asked: list[Any] = [
        RestartActor(actor="stream-0", reason="operator", pid=7),
        StopAll(),
        Describe(),
    ]
    asked.append(StopActor(actor="brain-0"))
    answers: list[Any] = []

    def ask() -> None:
        answers.extend(client.ask(command, 10_000) for command in asked)

    asking = threading.Thread(target=ask)
    asking.start()
    received = []
    try:
        while asking.is_alive():
            select.select([source.fileno()], [], [], 0.02)
            for request in source.receive():
                received.append(request.command)
                number = len(received)
                request.answer(Answer(number != 2, f"number {number}", leaving_pid=number))
    finally:
        asking.join(10)
        server.close()
    assert received == [
        RestartChild("stream-0", "operator", 7),
        StopTree(),
        DescribeTree(),
        StopChild("brain-0"),
    ]
    assert [(answer.ok, answer.text, answer.leaving_pid) for answer in answers] == [
        (True, "number 1", 1),
        (False, "number 2", 2),
        (True, "number 3", 3),
        (True, "number 4", 4),
    ]
