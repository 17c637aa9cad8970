"""Entry point and command table. Errors become one line on standard error and an exit code, here
only.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from hunter.cli.paint import is_colour_forced
from hunter.errors import HunterError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name -> (module, function, one line for the help): nothing is imported for the list
COMMANDS: Final = {
    "init": ("init", "init", "A configuration and a brain of your own to begin from."),
    "doctor": ("doctor", "doctor", "Is this machine fit for it, and what mends what is not."),
    "start": ("process", "start", "Start hunter and stay; -d to return when it is ready."),
    "stop": ("orders", "stop", "Stop it in order, or one actor; fine when it is not running."),
    "restart": ("orders", "restart", "Restart one actor by name."),
    "status": ("status", "status", "What runs, how well, and what to do about it."),
    "top": ("top", "top", "Full screen: actors, instruments, what is wrong, log."),
    "check": ("check", "check", "One line for monitoring: Nagios, Kubernetes, Prometheus."),
    "logs": ("logs", "logs", "Log lines of all actors, or of one."),
    "deaths": ("deaths", "deaths", "What ended, when and why, with its last log lines."),
    "alerts": ("alerts", "alerts", "Try whether alerts arrive where they should."),
    "service": ("service", "service", "A service of systemd: install, status, uninstall."),
    "trades": ("market", "trades", "Newest trades of an instrument."),
    "book": ("market", "book", "Order book of an instrument."),
    "candles": ("candles", "candles", "Bars of an instrument's trades: volumes, VWAP, CVD."),
    "signals": ("signals", "signals", "Newest signals."),
    "record": ("record", "record", "Record the market into packed files."),
    "replay": ("replay", "replay", "Play a recording through the whole system."),
    "evaluate": ("evaluate", "evaluate", "How good a brain's signals are, on recordings."),
    "train": ("train", "train_", "Fit the brain's prior on recordings."),
    "import": ("imports", "import_", "Turn other recordings into one of hunter."),
    "sim": ("sim", "sim", "Run the exchange look-alike by itself."),
    "bench": ("bench", "bench", "What it costs and carries on this machine."),
    "config": ("settings", "config", "Check, show or describe the configuration."),
    "completion": ("completion", "completion", "Completion for bash, zsh or fish."),
    "version": ("version", "version", "Version of hunter and of what it runs on."),
}
EXIT_CODES: Final = """\b
Exit codes: 0 fine, 1 error, 2 usage, 3 not running, 4 no such actor, instrument or recording,
5 starting, stopping or degraded, 6 timed out, 7 verification differs, 11 already running,
78 bad configuration, 130 interrupted."""
# `hunter` alone: what a newcomer needs, not the thirty lines of --help.
BRIEF: Final = """\
hunter: gap-free OKX market data in shared memory, and signals made from it.

  hunter start --demo     try it: no network, no account
  hunter init             a configuration and a brain of your own to begin from
  hunter start -d         run it; hunter stop ends it
  hunter status           what runs, how well, and what to do about it
  hunter signals -f       what it says of the market
  hunter doctor           is this machine fit for it, and what mends what is not

All commands and exit codes: hunter --help   One command: hunter COMMAND --help"""


class _Commands(click.Group):
    """Loads a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"hunter.cli.{module}"), function)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, (_, _, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="okx-hunter", prog_name="hunter")
@click.pass_context
def cli(context: click.Context) -> None:
    """Gap-free OKX market data in shared memory, and signals made from it.

    \b
    Try it:      hunter start --demo      (no network, no account)
    Look at it:  hunter status
    """
    if is_colour_forced():
        context.color = True  # click would take it out again where there is no terminal


def _open_closed_descriptors() -> None:
    """Started with 0, 1 or 2 closed: what is opened next would get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - for life
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def main() -> None:
    """Console script `hunter`."""
    _open_closed_descriptors()
    # A core file of a process, or of what it starts, may hold the proxy's password.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `hunter trades ... | head` ends quietly
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see hunter/__main__.py
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = cli.main(prog_name="hunter", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        is_bare = error.ctx is None or error.ctx.command is cli
        click.echo(BRIEF if is_bare or error.ctx is None else error.ctx.get_help())
        code = 0
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except HunterError as error:
        click.echo(f"hunter: {error}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except OSError as error:
        about = f": {error.filename}" if error.filename else ""
        click.echo(f"hunter: {error.strerror or error}{about}", err=True)
        code = 1
    sys.stdout.flush()
    if code == 130:
        os._exit(130)  # a follower thread must not hold up an interrupted command
    sys.exit(code or 0)
