"""`hunter doctor`: is this machine, this configuration and this instance well, and what mends it.

Puts together: `probes` and `reach` bring facts, `findings` judges them. Changes nothing, but with
--fix, and never waits longer than its probes' limits.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from hunter.cli import findings, probes
from hunter.cli.advice import next_step
from hunter.cli.findings import FAIL, OK, WARN, Finding
from hunter.cli.options import config_option, json_option, load_config
from hunter.cli.paint import colour
from hunter.cli.status import read
from hunter.config import Config, find_file, load_effective
from hunter.errors import AlreadyRunning, ConfigError, HunterError
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.status.report import StatusReport
from hunter.system import leftovers
from hunter.text import printable

_COLOURS: Final = {OK: "green", WARN: "yellow", FAIL: "red"}


class Diagnosis(msgspec.Struct, frozen=True):
    """`hunter doctor --json`. `state` is the worst of the rows'."""

    schema: int
    state: str
    rows: list[Finding]
    fixed: list[str]


@click.command()
@config_option
@json_option
@click.option("--offline", is_flag=True, help="Without asking the exchange.")
@click.option(
    "--fix",
    is_flag=True,
    help="Remove what a killed run of this instance has left; its ring, which hunter start would"
    " go on with, too.",
)
@click.pass_context
def doctor(
    context: click.Context, config_file: str | None, as_json: bool, offline: bool, fix: bool
) -> None:
    """Look for what keeps hunter from running well, and say what mends it.

    Python, libraries, configuration, folders, shared memory, limits, ports, the way to the exchange
    and its clock, what a killed run has left, and the instance itself. Takes 10 s at most. Exit
    code 0: nothing fails (warnings do not count, nor that it is not running); 5: something does.
    """
    fixed: list[str] = []
    rows = host_rows()
    try:
        config = load_config(config_file)
    except ConfigError as error:
        rows.append(Finding("configuration", FAIL, str(error), "mend it; hunter config check"))
    else:
        if fix:
            fixed += mend(config)
        rows += configuration_rows(config, find_file(config_file))
        try:
            report = read(config)
        except HunterError as error:  # another user's: what we may do there says nothing
            rows.append(Finding("instance", FAIL, str(error)))
        else:
            rows += instance_rows(config, report)
            config = running_config(config, report)
            rows += machine_rows(config, report)
        rows += exchange_rows(config, offline=offline)
    found = Diagnosis(1, findings.worst(rows), rows, fixed)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        click.echo(text(found))
    context.exit(5 if found.state == FAIL else 0)


def host_rows() -> list[Finding]:
    """What does not depend on the configuration."""
    rows = findings.python_findings(sys.version_info[:3], platform.machine(), probes.native_state())
    rows += findings.library_findings(probes.library_versions())
    return rows + findings.clash_findings(
        probes.other_owners(), probes.is_supervisor_foreign(), probes.other_hunter_on_path()
    )


def configuration_rows(config: Config, path: Path | None) -> list[Finding]:
    """The file, and what it names: models, extras, secrets."""
    from hunter.brain.adapters.pinned import check_experts
    from hunter.brain.learning.modelfile import named_model  # late: numpy

    where = str(path) if path is not None else "none, so the defaults; make one: hunter init"
    rows = [Finding("configuration", OK, where)]
    try:
        check_experts(config.brain.experts, Path(config.base_dir))
        named_model(config.brain.model_file, Path(config.base_dir))
    except ConfigError as error:
        rows = [Finding("configuration", FAIL, str(error), "mend it; hunter config check")]
    if fault := probes.file_fault(config, path):
        rows.append(Finding("configuration", WARN, fault))
    rows += findings.extra_findings(probes.missing_extras(config))
    return rows + findings.secret_findings(*probes.secrets_read(config, os.environ))


def instance_rows(config: Config, report: StatusReport) -> list[Finding]:
    """In the words of `hunter status`, and what a run that has ended left behind."""
    told = [(reason, next_step(reason, report)) for reason in report.reasons]
    rows = findings.instance_findings(report.name, report.state, told)
    is_running = report.state != "stopped"
    left = [] if is_running else leftovers(config)
    return rows + findings.leftover_findings([str(path) for path in left], is_running)


def running_config(config: Config, report: StatusReport) -> Config:
    """What the running instance was started with: --set and --demo are not in the file."""
    if report.state == "stopped":
        return config
    try:
        return load_effective(config.runtime_dir / EFFECTIVE_CONFIG)
    except (OSError, msgspec.MsgspecError):
        return config


def machine_rows(config: Config, report: StatusReport) -> list[Finding]:
    """Whether what is configured has room here."""
    rows = findings.place_findings(probes.place_facts(config))
    rows += findings.shared_memory_findings(probes.room_fact(config))
    path, free_bytes = probes.disk_free_bytes(config)
    store_mb = config.store.budget_mb if config.store.enabled else 0
    rows += findings.disk_findings(path, free_bytes, config.watchdog.disk_free_mb, store_mb)
    instruments = len(config.okx.instruments)
    rows += findings.descriptor_findings(*probes.descriptor_limits(), instruments)
    limits = probes.limit_fact(report.pid or os.getpid())
    rows += findings.cpu_findings(probes.usable_cpus(limits), probes.stream_count(config))
    rows += findings.limit_findings(
        limits, probes.memory_bytes(config), probes.process_count(config)
    )
    page_pid = next((actor.pid for actor in report.actors if actor.role == "web"), 0)
    return rows + findings.port_findings(probes.port_fact(config, page_pid))


def exchange_rows(config: Config, *, offline: bool) -> list[Finding]:
    if offline:
        return [Finding("exchange", OK, "not asked: --offline")]
    from hunter.cli import reach  # late: websockets

    found = reach.look(config)
    rows = [row for fact in found.sockets for row in findings.reach_findings(fact)]
    return rows + findings.skew_findings(*found.clock)


def mend(config: Config) -> list[str]:
    """Remove what is ours and nobody's any more; what was done, in words."""
    from hunter.system import remove_leftovers, running_pid

    pid = running_pid(config)
    if pid:
        return [f"nothing: the instance is running (pid {pid})"]
    try:
        removed = remove_leftovers(config)
    except AlreadyRunning as error:
        raise HunterError(f"nothing was removed: {error}") from None
    return ["removed what a killed run had left"] if removed else ["nothing: there was nothing"]


def text(found: Diagnosis) -> str:
    """The screen: one row a line, its cure below it."""
    width = max(len(row.check) for row in found.rows)
    lines = [f"--fix: {done}" for done in found.fixed]
    for row in found.rows:
        state = colour(f"{row.state:4}", _COLOURS[row.state])
        lines.append(f"{state}  {row.check:{width}}  {printable(row.found)}")
        if row.cure:
            lines.append(f"{'':6}{'':{width}}  -> {printable(row.cure)}")
    counts = {state: sum(row.state == state for row in found.rows) for state in _COLOURS}
    warnings = "warning" if counts[WARN] == 1 else "warnings"
    said = f"{counts[FAIL]} failed, {counts[WARN]} {warnings}, {counts[OK]} ok"
    return "\n".join([*lines, "", said])
