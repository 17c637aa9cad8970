"""`hunter alerts test`: one message now by every configured channel, and what came back."""

from __future__ import annotations

import os
from pathlib import Path

import click

from hunter.alerts.actor import origin_of
from hunter.alerts.channels import AlertChannel, NotDelivered, Redactor, make_channels
from hunter.alerts.policy import Item, Message
from hunter.cli.options import colour, config_option, load_config
from hunter.clock import SystemClock
from hunter.errors import ConfigError, HunterError
from hunter.text import printable


@click.group()
def alerts() -> None:
    """Alerts: who is told, and whether it works."""


@alerts.command("test")
@config_option
def try_channels(config_file: str | None) -> None:
    """Send one test message now by every channel and say what came back.

    Needs nothing to run. Exit code 1 when a channel did not take it.
    """
    config = load_config(config_file)
    channels, redactor = make_channels(
        config.alerts, Path(config.base_dir), os.environ, origin_of(config)
    )
    if not channels:
        raise ConfigError("nobody to tell: set alerts.webhook, telegram_token or apprise")
    if not config.alerts.enabled:
        click.echo("hunter: alerts.enabled is false: a running hunter tells nobody", err=True)
    message = _test_message(SystemClock().wall_ns())
    missed = [channel.name for channel in channels if not _try(channel, message, redactor)]
    if missed:
        raise HunterError(f"not delivered by {', '.join(missed)}")


def _test_message(now_ns: int) -> Message:
    text = "this is a test, nothing is wrong: alerts of this instance arrive here"
    item = Item("instance", "test", "info", text, False, now_ns, 0.0)
    return Message(f"{now_ns}-test", now_ns, "info", (item,))


def _try(channel: AlertChannel, message: Message, redactor: Redactor) -> bool:
    try:
        said = channel.send(message)
    except NotDelivered as error:
        what = colour("not delivered", "red")
        click.echo(f"{channel.name}: {what}: {printable(redactor.clean(str(error)))}")
        return False
    click.echo(f"{channel.name}: {colour('delivered', 'green')} ({said})")
    return True
