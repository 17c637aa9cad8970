from __future__ import annotations

from hunter.brain import protocol
from hunter.brain.flow import FlowBrain
from hunter.brain.load import BRAIN_METHODS
from hunter.brain.plugins.plugin import PluginBrain
from hunter.errors import HunterError


def public(shape: type) -> set[str]:
    return {name for name in vars(shape) if not name.startswith("_")}


def test_built_in_brain_and_adapter_have_the_same_shape() -> None:
    for made in (FlowBrain, PluginBrain):
        assert public(protocol.Brain) <= {*dir(made)}


def test_user_brain_is_what_the_loader_asks_for() -> None:
    assert public(protocol.UserBrain) == set(BRAIN_METHODS)


def test_state_error_is_an_operating_error() -> None:
    assert issubclass(protocol.StateError, HunterError)
