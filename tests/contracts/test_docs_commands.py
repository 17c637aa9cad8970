"""Every `hunter ...` that a document shows is one that the command line takes, every TOML is a
configuration that it takes, and every link between the documents leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from hunter.cli import main as cli
from hunter.config import checks, load
from hunter.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("README.*.md"),
        *(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference"),
    ]
)
_FENCE = re.compile(r"(?ms)^[ \t]*```(?:sh|bash|console)\n(.*?)^[ \t]*```")
_INDENTED = re.compile(r"(?m)^ {4}(.+)$")
_COMMAND = re.compile(
    r"(?:^|[;&|]\s+|\$ |exec hunter |sudo (?:-u \w+ )?)(?:[\w./-]+/)?hunter ([a-z-]+(?:\s.*)?)$"
)


def shown_commands(text: str) -> list[str]:
    """What stands behind `hunter ` in blocks of shell, without comments and what it is piped to."""
    blocks = _FENCE.findall(text)
    rest = re.sub(r"(?ms)^[ \t]*```.*?^[ \t]*```", "", text)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines() + _INDENTED.findall(rest)
    found = [_COMMAND.search(re.split(r"\s#\s|\s#$", line)[0].strip()) for line in lines]
    return [re.split(r"\s(?:\||&&|;|>|2>|<)", match[1])[0].strip() for match in found if match]


def refusal(words: list[str]) -> str:
    """Why the command line would not take these words; "" when it would."""
    command: click.Command | None = cli.cli
    context = click.Context(cli.cli, info_name="hunter")
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            break
        name, *words = words
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
        context = click.Context(command, info_name=name, parent=context)
    assert command is not None
    try:
        # Not make_context: files that an example names need not be here.
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.ClickException as error:
        return error.format_message()
    lacks = [
        argument.name
        for argument in command.params
        if isinstance(argument, click.Argument)
        and argument.required
        # what is not given is a mark of click's own, or an empty tuple
        and not (isinstance(value := values.get(argument.name), str | tuple) and value)
    ]
    return f"too many: {rest}" if rest else f"lacks {lacks}" if lacks else ""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_taken_as_they_are_shown(path: Path) -> None:
    refused = {
        line: why
        for line in shown_commands(path.read_text(encoding="utf-8"))
        if "..." not in line and (why := refusal(shlex.split(line)))
    }
    assert refused == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_configurations_are_taken_as_they_are_shown(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "host_cpu_count", lambda: 64)
    for code in re.findall(r"(?ms)^```toml\n(.*?)^```", path.read_text(encoding="utf-8")):
        load(written(tmp_path, code.replace("=HEX", "=" + 64 * "0")))


def test_configuration_that_would_be_refused_is_seen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shard"):
        load(written(tmp_path, "[stream]\nshard = 3\n"))


def written(folder: Path, code: str) -> Path:
    path = folder / "hunter.toml"
    path.write_text(code)
    return path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_of_the_repository_that_are_named_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.])((?:configs|examples|tests)/[\w./-]+\w)", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_commands_are_found_in_all_their_forms() -> None:
    text = """
    env/bin/hunter start -d   # a comment
        not shell

```sh
hunter trades X -n 3 | head
curl x && hunter stop
sudo -u hunter /srv/bin/hunter status -c x
docker compose exec hunter hunter book X
docker compose exec hunter cat x
kill -9 $(pgrep -f 'hunter: stream-0 .default')
```

```text
hunter "default" on the embedded exchange
```
"""
    assert shown_commands(text) == [
        "trades X -n 3",
        "stop",
        "status -c x",
        "book X",
        "start -d",
    ]


def test_commands_that_would_be_refused_are_seen() -> None:
    assert refusal(["start", "-d", "--set", "a=b"]) == ""
    assert refusal(["config", "check"]) == ""
    assert "no command" in refusal(["fly"])
    assert refusal(["start", "--fly"])
    assert "too many" in refusal(["status", "now"])
    assert "lacks" in refusal(["trades"])
