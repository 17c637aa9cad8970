"""`hunter completion`, and what it completes: names of actors and instruments of this instance, out
of shared memory while it runs, else out of its log files and its configuration.

Silent about all that is wrong: a Tab key is no place for an error.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from hunter.errors import HunterError

if TYPE_CHECKING:
    from hunter.config import Config

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_HUNTER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete hunter's commands, actors and instruments.

    \b
    bash:  echo 'eval "$(hunter completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(hunter completion zsh)"' >> ~/.zshrc
    fish:  hunter completion fish > ~/.config/fish/completions/hunter.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, shell
    click.echo(found(context.find_root().command, {}, "hunter", _VARIABLE).source())


def actors(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For an argument that names an actor."""
    del parameter
    return _beginning(incomplete, _actor_names(_config(context)))


def instruments(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For an argument that names an instrument; lower case will do."""
    del parameter
    return _beginning(incomplete.upper(), _instrument_names(_config(context)))


def _beginning(text: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(text)]


def _config(context: click.Context) -> Config | None:
    from hunter.config import find_file, load

    with contextlib.suppress(HunterError, OSError):
        return load(find_file(context.params.get("config_file")))
    return None


def _actor_names(config: Config | None) -> list[str]:
    from hunter.ring.segment import shared_dir
    from hunter.status import block

    if config is None:
        return []
    with contextlib.suppress(HunterError, OSError):
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
        names = list(status.actors)
        status.close()
        return names
    return sorted(path.stem for path in config.log_dir.glob("*.log"))


def _instrument_names(config: Config | None) -> list[str]:
    from hunter.access import Instance

    if config is None:
        return []
    with contextlib.suppress(HunterError, OSError), Instance(config) as instance:
        return instance.instruments
    return list(config.okx.instruments)
