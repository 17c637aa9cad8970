"""`hunter top`: the full screen, or why there is none and `status --watch` instead."""

from __future__ import annotations

import os
import sys

import click

from hunter.cli.options import config_option, load_config
from hunter.errors import MissingExtra
from hunter.extras import expect_extra


@click.command()
@config_option
@click.pass_context
def top(context: click.Context, config_file: str | None) -> None:
    """Full screen: actors, instruments, what is wrong, and the log; `?` there lists the keys.

    Needs the extra "tui" and a terminal; without, it is hunter status --watch.
    """
    config = load_config(config_file)
    reason = why_not()
    if reason:
        click.echo(f"{reason}; so this is: hunter status --watch", err=True)
        from hunter.cli.status import status

        words = ["--watch", *(["-c", config_file] if config_file else [])]
        status.main(words, prog_name="hunter status", standalone_mode=False)
        return
    from hunter.cli.top_screen import TopApp

    app = TopApp(config)
    app.run()
    context.exit(app.return_code or 0)


def why_not() -> str:
    """Why there is no full screen here; "" if there is."""
    try:
        expect_extra("tui", "hunter top")
    except MissingExtra as error:
        return str(error)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "hunter top needs a terminal"
    if os.environ.get("TERM", "dumb") == "dumb":
        return 'hunter top needs a terminal that can move its cursor (TERM is "dumb" or not set)'
    return ""
