from __future__ import annotations

from fakes.actor_stage import Stage

from hunter.system.demo import free_port, with_simulator


def test_with_simulator_points_at_this_host(stage: Stage) -> None:
    port = free_port()
    okx = with_simulator(stage.config, port).okx
    assert okx.public_url == f"ws://127.0.0.1:{port}/ws/v5/public"
    assert okx.business_url == f"ws://127.0.0.1:{port}/ws/v5/business"
    assert okx.rest_url == f"http://127.0.0.1:{port}"
    assert okx.instruments == stage.config.okx.instruments
