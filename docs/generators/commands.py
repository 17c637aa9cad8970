"""docs/reference/cli.md: every command, argument and option, out of click's own tree."""

from __future__ import annotations

import textwrap

import click

from docs.generators.text import code, table
from hunter.cli import main as cli

_HEAD = """# Command line

    hunter COMMAND [OPTIONS]

Every command says this about itself with `--help`. Data go to standard output, messages to standard
error. `--json` prints one object, or one object a line where there are many; see
[trades and books](trades.md), [signals](signals.md), [status](status.md). What a command returns
stands in [exit codes](exit-codes.md). Colour is on terminals only, and never with `NO_COLOR`.
"""


def page() -> str:
    root = click.Context(cli.cli, info_name="hunter")
    names = cli.cli.list_commands(root)
    rows = [
        [f"[{code('hunter ' + name)}](#hunter-{name})", cli.COMMANDS[name][2]] for name in names
    ]
    parts = [_HEAD, table(["command", "what it does"], rows)]
    for name in names:
        command = cli.cli.get_command(root, name)
        assert command is not None
        parts.append(_section(command, f"hunter {name}", "##"))
    return "\n".join(parts)


def _section(command: click.Command, path: str, mark: str) -> str:
    context = click.Context(command, info_name=path)
    # The same on every terminal: click's own list of the usage, not its wrapped form.
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    # Headings of the table of contents need not repeat the word; anchors do.
    parts = [f"{mark} {path}\n", f"    {usage}\n", _help(command) + "\n"]
    rows = [_row(parameter, context) for parameter in command.params if not _is_hidden(parameter)]
    if rows:
        parts.append(table(["option", "takes", "default", "what"], rows))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                parts.append(_section(below, f"{path} {name}", mark + "#"))
    return "\n".join(parts)


def _help(command: click.Command) -> str:
    """Click's marks for paragraphs that are not to be wrapped become code blocks."""
    found = []
    for block in (command.help or command.short_help or "").split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            shown = textwrap.dedent("\n".join(lines[1:])).rstrip()
            found.append(f"```text\n{shown}\n```")
        else:
            found.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(part for part in found if part)


def _is_hidden(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.hidden


def _row(parameter: click.Parameter, context: click.Context) -> list[str]:
    if isinstance(parameter, click.Argument):
        need = "needed" if parameter.required else "may be left out"
        name = parameter.make_metavar(context)
        # a bar ends the cell of a table, in code as well
        return [code(name.replace("|", ", ")), "", "", need]
    assert isinstance(parameter, click.Option)
    names = ", ".join(code(name) for name in [*parameter.opts, *parameter.secondary_opts])
    return [names, code(_takes(parameter, context)), _default(parameter), parameter.help or ""]


def _takes(option: click.Option, context: click.Context) -> str:
    if option.is_flag or option.count:
        return ""
    metavar = option.make_metavar(context).strip("[]").replace("|", ", ")
    return metavar + (" ..." if option.multiple else "")


def _default(option: click.Option) -> str:
    default = option.default
    if option.is_flag or option.multiple or callable(default):
        return ""
    known = isinstance(default, str | int | float) and not isinstance(default, bool)
    return code(str(default)) if known and str(default) else ""
