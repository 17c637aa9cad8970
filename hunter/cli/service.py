"""`hunter service`: the instance as a service of systemd, the host's or one's own."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import Final

import click

from hunter.cli.options import Function, colour, config_option, load_config
from hunter.config import Config, find_file
from hunter.errors import ConfigError, HunterError, NotRunning
from hunter.system import interpreter
from hunter.system.service import (
    MIB,
    ServicePlan,
    config_file_of,
    is_ours,
    is_unchanged,
    plan_service,
    stop_timeout_s,
    unit_name,
    unit_text,
)
from hunter.system.service_files import (
    Systemd,
    complaints,
    install,
    make_places,
    obstacles,
    read_unit,
    remove,
)

USER: Final = "hunter"
ORDINARY_UID: Final = 1_000
"""From here on users log in and out."""


@click.group()
def service() -> None:
    """Run the instance as a service of systemd: at boot, watched, and restarted."""


def _name_option(function: Function) -> Function:
    return click.option(
        "--name", metavar="UNIT", help='Of the unit; default "hunter", or "hunter-INSTANCE".'
    )(function)


def _user_option(function: Function) -> Function:
    return click.option(
        "--user", "is_users", is_flag=True, help="With your own systemd; needs no root."
    )(function)


@service.command("install")
@config_option
@_user_option
@_name_option
@click.option(
    "--run-as",
    default=USER,
    show_default=True,
    metavar="USER",
    help="Whom the host's unit runs as.",
)
@click.option("--print", "only_print", is_flag=True, help="Show the unit; change nothing.")
@click.option("--no-reload", is_flag=True, help="Write the file and tell systemd nothing.")
def install_(
    config_file: str | None,
    is_users: bool,
    name: str | None,
    run_as: str,
    only_print: bool,
    no_reload: bool,
) -> None:
    """Write a unit for this configuration and this Python; again after a change of either.

    A unit that somebody else made or changed is left alone. Times, memory and places in it follow
    from the configuration. Secrets and a proxy go into UNIT.env beside the configuration, lines of
    NAME=VALUE, mode 0600.
    """
    config = load_config(config_file)
    plan = _plan(config, config_file, "" if is_users else run_as, name)
    if only_print:
        click.echo(unit_text(plan), nl=False)
        return
    systemd = Systemd.of_this_host(is_users, os.environ)
    if not is_users:
        _check_user(plan.user)
    for line in obstacles(plan):
        raise HunterError(f"{line}; move it, or let others in: chmod o+rx")
    done = install(plan, systemd)
    path = systemd.path_of(plan.unit)
    _tell(plan, path, done)
    for place in make_places(plan):
        click.echo(f"made {place} for {plan.user}")
    _verify(plan, systemd)
    if done != "unchanged" and systemd.runs and not no_reload:
        systemd.control("daemon-reload")
        click.echo("systemd has read it")
    _next_steps(plan, systemd, done)


def _plan(config: Config, config_file: str | None, user: str, name: str | None) -> ServicePlan:
    file = find_file(config_file)
    if file is None:
        raise ConfigError(
            "a service needs a configuration file, and there is no hunter.toml here; name one with"
            " -c FILE"
        )
    if user == "root":
        raise ConfigError("--run-as root: hunter needs no privilege; give it a user of its own")
    # Not resolved: a link such as /srv/hunter/current stays one, and follows an upgrade.
    return plan_service(config, file.absolute(), _command(), user, name, sys.base_prefix)


def _command() -> tuple[str, ...]:
    """The words that start this very installation from anywhere."""
    script = Path(sys.executable).with_name("hunter")
    if script.is_file():
        # By the way that it was called: a link, as of a version in force, stays one.
        called = Path(sys.argv[0]).absolute()
        is_same = called.name == "hunter" and called.exists() and called.samefile(script)
        return (str(called if is_same else script),)
    words = interpreter()
    if "-P" not in words:
        raise HunterError(
            "hunter runs from a folder of sources here; install it first: pip install ."
        )
    return (*words, "-m", "hunter")


def _check_user(user: str) -> None:
    if os.getuid() != 0:
        raise HunterError(
            f"a unit of the host needs root: sudo {shlex.join(_command())} service install ...; or,"
            " for you alone: hunter service install --user"
        )
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise HunterError(
            f"there is no user {user}; make one: useradd --system --home-dir /var/lib/{user}"
            f" --shell /usr/sbin/nologin {user}; or name another: --run-as USER"
        ) from None
    if found.pw_uid >= ORDINARY_UID:
        click.echo(
            f"hunter: warning: {user} is no system user: when he logs out, systemd-logind may"
            " remove what he has in /dev/shm, the rings (RemoveIPC= in logind.conf)",
            err=True,
        )


def _tell(plan: ServicePlan, path: Path, done: str) -> None:
    words = {"new": "wrote", "replaced": "replaced"}
    click.echo(f"{words[done]} {path}" if done in words else f"{path} is up to date")
    who = f"as {plan.user}" if plan.user else "as you"
    click.echo(
        f"  runs {who}, with {plan.config_file}; at most {plan.memory_bytes // MIB:,} MB, shared"
        f" memory included; {plan.stop_s} s to stop"
    )
    if plan.secrets:
        click.echo(
            f"  put {', '.join(plan.secrets)} into {plan.environment_file}, mode 0600: NAME=VALUE"
        )


def _verify(plan: ServicePlan, systemd: Systemd) -> None:
    found = complaints(plan, systemd)
    if found is None:
        return
    for line in found:
        click.echo(f"{colour('!', 'yellow')} {line}", err=True)
    if not found:
        click.echo("systemd-analyze verify: fine")


def _next_steps(plan: ServicePlan, systemd: Systemd, done: str) -> None:
    own = " ".join(("systemctl", *systemd.words))
    program, file = shlex.join(plan.command), shlex.quote(plan.config_file)
    status = f"{program} status -c {file}"
    steps = [] if systemd.runs else ["(systemd does not run here; where it does:)"]
    if not systemd.runs or done == "new":
        steps += [f"{own} daemon-reload"] if not systemd.runs else []
        steps += [f"{own} enable --now {plan.unit}"]
    elif done == "replaced":
        steps += [f"{own} restart {plan.unit}", f"{own} enable --now {plan.unit}   # if it is not"]
    if plan.is_users:
        steps += [
            f"loginctl enable-linger {pwd.getpwuid(os.getuid()).pw_name}   # goes on without you"
        ]
    steps += [status if plan.is_users else f"sudo -u {plan.user} {status}"]
    undo = ["uninstall", *systemd.words, "--name", plan.unit, "-c", file]
    steps += [f"{program} service {' '.join(undo)}   # to undo it"]
    click.echo("\nNext:")
    for step in steps:
        click.echo(f"  {step}")


@service.command()
@config_option
@_user_option
@_name_option
def uninstall(config_file: str | None, is_users: bool, name: str | None) -> None:
    """Stop and disable the service and remove its unit; configuration and data stay."""
    unit = unit_name(load_config(config_file), name)
    systemd = Systemd.of_this_host(is_users, os.environ)
    path = systemd.path_of(unit)
    text = read_unit(path)
    if text is None:
        click.echo(f"{path} is not there; nothing to do")
        return
    if not is_users and os.getuid() != 0:
        raise HunterError(f"{path} is the host's: sudo")
    if systemd.runs and is_ours(text) and is_unchanged(text):
        systemd.control("disable", "--now", f"{unit}.service", timeout_s=stop_timeout_s(text))
        click.echo(f"{unit} is stopped and disabled")
    remove(unit, systemd)
    if systemd.runs:
        systemd.control("daemon-reload")
    click.echo(f"removed {path}; configuration, data and user are still there")


@service.command("status")
@config_option
@_user_option
@_name_option
def status_(config_file: str | None, is_users: bool, name: str | None) -> None:
    """Is it installed, is the unit up to date, does systemd run it; exit 3 when it does not."""
    config = load_config(config_file)
    unit = unit_name(config, name)
    systemd = Systemd.of_this_host(is_users, os.environ)
    path = systemd.path_of(unit)
    text = read_unit(path)
    if text is None:
        same = " --user" if is_users else ""
        raise NotRunning(f"{path} is not there; install it: hunter service install{same}")
    click.echo(f"{path}: {_state_of_unit(config, config_file, text, unit)}")
    told = systemd.show(unit)
    if not told:
        raise NotRunning("systemd does not run here")
    active = told.get("ActiveState") == "active"
    dot = colour("●", "green" if active else "red")
    pid = f", pid {told['MainPID']}" if told.get("MainPID", "0") != "0" else ""
    said = f": {told['StatusText']}" if told.get("StatusText") else ""
    click.echo(
        f"{dot} {told.get('ActiveState', '?')} ({told.get('SubState', '?')}),"
        f" {told.get('UnitFileState') or 'not enabled'}{pid}{said}"
    )
    if not active:
        own = " ".join(("journalctl", *systemd.words))
        raise NotRunning(f"{unit} does not run; why: {own} -u {unit} -n 20, hunter logs")


def _state_of_unit(config: Config, config_file: str | None, text: str, unit: str) -> str:
    """Whether it is what an installation would write now."""
    if not is_ours(text):
        return "not made by hunter service install"
    if not is_unchanged(text):
        return "changed by hand"
    file = find_file(config_file)
    if file is None or config_file_of(text) != str(file.absolute()):
        return f"for {config_file_of(text)}"
    user = next((line[5:] for line in text.splitlines() if line.startswith("User=")), "")
    if unit_text(_plan(config, config_file, user, unit)) != text:
        return "older than its configuration or this hunter; install it again"
    return "up to date"
