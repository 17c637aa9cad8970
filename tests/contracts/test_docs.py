"""Numbers, keys and commands in the documents are the code's: prose that is tested does not rot."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from hunter import config
from hunter.cli import main as cli
from hunter.ring import rows
from supervisor import lifecycle


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def architecture(root: Path) -> str:
    return (root / "ARCHITECTURE.md").read_text(encoding="utf-8")


def config_keys() -> set[str]:
    """Every key there is, as `section.key`."""
    whole = config.load(None)
    keys = set()
    for section in whole.__struct_fields__:
        names = getattr(getattr(whole, section), "__struct_fields__", ())
        keys |= {f"{section}.{name}" for name in names}
    return keys


def missing_words(text: str, wanted: set[str]) -> list[str]:
    """What is wanted and nowhere in the text's `code`, in backticks or in an indented block."""
    code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"(?m)^(?: {4}|\t)(.+)$", text)
    fenced = re.findall(r"(?ms)^```.*?\n(.*?)^```", text)
    everything = "\n".join(code + fenced)
    return sorted(
        word
        for word in wanted
        if not re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", everything)
    )


def commands() -> set[str]:
    """Every verb of the command line."""
    return set(cli.cli.list_commands(click.Context(cli.cli)))


def row_bytes_told(text: str) -> dict[str, int]:
    """Lane -> bytes, from sentences such as: `trade` (64 B)."""
    return {name: int(count) for name, count in re.findall(r"`(\w+)` \((\d+) B\b", text)}


def relative_links(text: str) -> set[str]:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    return {link for link in links if "://" not in link and not link.startswith("mailto:")}


def make_targets(text: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z]+)\b", " ".join(re.findall(r"`([^`\n]+)`", text))))


def soak_commands(text: str) -> list[tuple[str, list[str]]]:
    """Program and arguments of each `make soak`."""
    found = []
    for line in re.findall(r"\bmake soak\b([^`\n]*)", text):
        given = {name: value.strip("\"'") for name, value in _ASSIGNMENT.findall(line)}
        found.append((given.get("SOAK", "nemesis"), shlex.split(given.get("ARGS", ""))))
    return found


_ASSIGNMENT = re.compile(r"""\b(SOAK|ARGS)=("[^"]*"|'[^']*'|[\w]+)""")


class Parsed(BaseException):
    """The arguments were taken: no more is wanted of the program."""


def refused_soaks(text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What of the text's `make soak` the programs do not take."""
    parse = argparse.ArgumentParser.parse_args
    refused = []
    for name, words in soak_commands(text):

        def only_parse(parser: Any, *_: Any, words: list[str] = words) -> None:
            parse(parser, words)
            raise Parsed

        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
            try:
                importlib.import_module(f"soak.{name}").main()
            except (SystemExit, ModuleNotFoundError) as error:
                refused.append(f"{name} {words}: {error}")
            except Parsed:
                pass
    return refused


def test_readme_explains_every_key(readme: str) -> None:
    assert config_keys()
    assert missing_words(readme, config_keys()) == []


def test_readme_shows_every_command(readme: str) -> None:
    assert {"start", "stop", "status", "trades", "book", "signals", "config", "sim"} <= commands()
    assert missing_words(readme, {f"hunter {name}" for name in commands()}) == []


def test_readme_names_no_command_that_is_not_there(readme: str) -> None:
    told = set(re.findall(r"(?m)(?:^ {4}|^|`|\$ )hunter ([a-z]+)\b", readme))
    assert told - commands() == set()


def test_readme_starts_newcomers_with_the_two_commands(readme: str) -> None:
    assert "make demo" in readme
    assert "make test" in readme


def test_documents_name_make_targets_that_exist(root: Path, readme: str, architecture: str) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"(?m)^\.PHONY: (.+)$", makefile)[1].split())  # type: ignore[index]
    assert make_targets(readme) | make_targets(architecture) <= phony


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Makefile"])
def test_documents_give_soaks_arguments_that_they_take(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused_soaks((root / name).read_text(encoding="utf-8"), monkeypatch) == []


def test_soak_that_would_not_run_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    good = """`make soak SOAK=kill_actors ARGS="--standby --kills 60"`, `make soak` and
        `make soak SOAK=fuzz ARGS='--seed 7'`"""
    assert [name for name, _ in soak_commands(good)] == ["kill_actors", "nemesis", "fuzz"]
    assert refused_soaks(good, monkeypatch) == []
    for bad in ('make soak ARGS="--standby --kills 60"', "make soak SOAK=nothing"):
        assert refused_soaks(f"`{bad}`", monkeypatch)


def test_architecture_tells_the_rows_sizes(architecture: str) -> None:
    sizes = {kind.name.lower(): size for kind, size in rows.ROW_BYTES.items()}
    assert row_bytes_told(architecture) == sizes


def test_architecture_tells_the_books_levels(architecture: str) -> None:
    assert set(re.findall(r"(\d+)\s+levels\s+a\s+side", architecture)) == {str(rows.BOOK_LEVELS)}


def test_architecture_names_folders_that_exist(root: Path, architecture: str) -> None:
    told = set(re.findall(r"`((?:hunter|supervisor|tests|configs)/[\w/.]*)`", architecture))
    assert {name.split("/")[0] for name in told} >= {"hunter", "supervisor"}
    assert not [name for name in told if not (root / name).exists()]


def test_architecture_names_every_folder(root: Path, architecture: str) -> None:
    folders = {path.parent.name for path in (root / "hunter").glob("*/__init__.py")}
    assert not [name for name in folders if f"`hunter/{name}/" not in architecture]


def test_architecture_draws_the_states_that_the_supervisor_has(architecture: str) -> None:
    assert f"```mermaid\n{lifecycle.diagram()}\n```" in architecture


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_links_lead_somewhere(root: Path, name: str) -> None:
    links = relative_links((root / name).read_text(encoding="utf-8"))
    assert not [link for link in links if not (root / link).exists()]


def test_checks_see_bad_documents() -> None:
    assert missing_words("`ring.capacity` and x.y", {"ring.capacity", "x.y"}) == ["x.y"]
    assert missing_words("`stream.shards_max`", {"stream.shards"}) == ["stream.shards"]
    assert missing_words("```sh\nhunter stop\n```\n    hunter start -d\n", {"hunter start"}) == []
    assert row_bytes_told("`trade` (64 B), `book` (704 B, 20 levels)") == {"trade": 64, "book": 704}
    assert relative_links("[a](b.md#c) [d](https://example.org)") == {"b.md"}
    assert make_targets("`make demo` and `make fly`") == {"demo", "fly"}
