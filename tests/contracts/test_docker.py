"""Dockerfile and compose.yaml say what the code says: sizes, times, ports, users, files.

No image is built here: that takes an engine and the network. What its steps do to a wheel is in
tests/extras/test_wheel.py, what hunter does as process 1 in tests/system/test_container.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from fakes import plain_yaml

from hunter import config
from hunter.cli.main import cli
from hunter.config import Config
from hunter.system.layouts import rings_bytes
from hunter.system.service import plan_service

CONFIG = "configs/docker/hunter.toml"
UID = "10001"
STATUS_BLOCK_BYTES = 4 << 20


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> list[tuple[str, str]]:
    """(instruction, rest) with continuation lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (root / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, re.sub(r" +", " ", rest)) for word, _, rest in (x.partition(" ") for x in lines)]


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    found = plain_yaml.load((root / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def hunter(compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"]["hunter"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def inside(root: Path) -> Config:
    return config.load(root / CONFIG)


def rests(dockerfile: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for word, rest in dockerfile if word == instruction]


def last_stage(dockerfile: list[tuple[str, str]]) -> list[tuple[str, str]]:
    begin = max(place for place, (word, _) in enumerate(dockerfile) if word == "FROM")
    return dockerfile[begin:]


def copied(dockerfile: list[tuple[str, str]]) -> list[str]:
    """Sources of COPY that come from the checkout."""
    found = []
    for rest in rests(dockerfile, "COPY"):
        if not rest.startswith("--from="):
            found += rest.split()[:-1]
    return found


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([mg])", text).groups()  # type: ignore[union-attr]
    return int(number) << {"m": 20, "g": 30}[unit]


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])  # type: ignore[index]


def test_every_copied_file_is_there_and_passes_the_ignore_list(
    root: Path, dockerfile: list[tuple[str, str]]
) -> None:
    sources = copied(dockerfile)
    assert {"hunter", "supervisor", "pyproject.toml", "requirements/service.lock"} <= set(sources)
    assert not [source for source in sources if not (root / source).exists()]
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines, "everything that is not named stays outside"
    assert set(sources) == allowed


def test_sources_that_the_wheel_is_made_of_are_all_copied(
    dockerfile: list[tuple[str, str]], pyproject: dict[str, Any]
) -> None:
    project = pyproject["project"]
    needed = {project["readme"], *project["license-files"], "hunter", "supervisor"}
    assert needed <= set(copied(dockerfile))


def test_what_links_in_the_sources_lead_to_is_copied_too(
    root: Path, dockerfile: list[tuple[str, str]]
) -> None:
    sources = copied(dockerfile)
    folders = [root / source for source in sources if (root / source).is_dir()]
    links = [path for folder in folders for path in folder.rglob("*") if path.is_symlink()]
    assert links, "hunter/cli/templates/hunter.toml is one"
    for link in links:
        target = link.resolve().relative_to(root.resolve())
        assert any(target.is_relative_to(source) for source in sources), f"{link} leads to nothing"


def test_everything_installed_is_pinned_by_hash(dockerfile: list[tuple[str, str]]) -> None:
    installs = re.findall(r"pip (?:install|wheel) ([^&]+)", " && ".join(rests(dockerfile, "RUN")))
    assert len(installs) == 4
    for words in installs:
        assert "--no-deps" in words
        own = "--no-index" in words or "--no-build-isolation" in words
        assert own or "--require-hashes" in words


@pytest.mark.parametrize("name", ["service", "build"])
def test_locks_of_the_image_are_a_part_of_those_that_the_tests_run_with(
    root: Path, pyproject: dict[str, Any], name: str
) -> None:
    def pins(file: str) -> dict[str, str]:
        text = (root / "requirements" / f"{file}.lock").read_text(encoding="utf-8")
        return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", text))

    found, tested = pins(name), pins("dev")
    assert found.items() <= tested.items()
    project = pyproject["project"]
    wanted = project["dependencies"] + [
        text for extra in ("web", "store") for text in project["optional-dependencies"][extra]
    ]
    if name == "build":
        wanted = pyproject["build-system"]["requires"]
    assert {re.match(r"[\w-]+", text)[0].lower() for text in wanted} <= found.keys()  # type: ignore[index]


def test_image_starts_hunter_itself_as_process_1(dockerfile: list[tuple[str, str]]) -> None:
    stage = last_stage(dockerfile)
    words = json.loads(rests(stage, "ENTRYPOINT")[0]) + json.loads(rests(stage, "CMD")[0])
    assert words[0] == "hunter", "no shell between Docker and us: it would keep SIGTERM to itself"
    command = cli.get_command(click.Context(cli), words[1])
    assert command is not None
    context = command.make_context(words[1], words[2:])
    assert not context.params["detach"]
    assert rests(stage, "STOPSIGNAL") == ["SIGTERM"]
    (told,) = rests(stage, "ENV")
    assert f"HUNTER_CONFIG={context.params['config_file']}" in told.split()
    assert ("COPY", f"{CONFIG} {context.params['config_file']}") in stage


def test_image_runs_as_somebody_without_rights_who_owns_its_places(
    dockerfile: list[tuple[str, str]], inside: Config
) -> None:
    stage = last_stage(dockerfile)
    assert rests(stage, "USER") == [f"{UID}:{UID}"]
    (made,) = rests(stage, "RUN")
    assert f"--uid {UID}" in made
    places = made.partition("install -d ")[2].split()
    assert {str(inside.runtime_dir), str(inside.data_dir)} <= set(places)
    assert str(inside.token_path.parent) in places
    assert "apt-get" not in made, "no compiler in what runs"


def test_python_of_the_image_is_one_that_is_supported(
    dockerfile: list[tuple[str, str]], pyproject: dict[str, Any]
) -> None:
    (argument,) = rests(dockerfile, "ARG")
    version = argument.partition("=")[2]
    assert f"Programming Language :: Python :: {version}" in pyproject["project"]["classifiers"]


def test_shared_memory_holds_the_rings_and_a_quarter(
    hunter: dict[str, Any], inside: Config
) -> None:
    wanted = rings_bytes(inside) * 5 // 4 + STATUS_BLOCK_BYTES
    assert size(hunter["shm_size"]) >= wanted
    # a configuration that does not fit is seen
    large = config.load(None, ["ring.capacity=1048576"])
    assert size(hunter["shm_size"]) < rings_bytes(large)


def test_limits_are_those_that_a_unit_would_have(
    root: Path, hunter: dict[str, Any], inside: Config
) -> None:
    plan = plan_service(inside, root / CONFIG, ("hunter",), "hunter")
    assert size(hunter["mem_limit"]) == plan.memory_bytes
    assert seconds(hunter["stop_grace_period"]) >= plan.stop_s
    assert hunter["pids_limit"] >= plan.tasks_max
    assert hunter["ulimits"] == {"nofile": 4096, "core": 0}


def test_container_is_closed_but_for_what_it_needs(hunter: dict[str, Any], inside: Config) -> None:
    assert hunter["read_only"] is True
    assert hunter["cap_drop"] == ["ALL"]
    assert hunter["security_opt"] == ["no-new-privileges:true"]
    assert hunter["user"] == f"{UID}:{UID}"
    assert "privileged" not in hunter
    assert "cap_add" not in hunter
    writable = {entry.split(":")[0] for entry in hunter["tmpfs"]}
    writable |= {entry.split(":")[1] for entry in hunter["volumes"] if not entry.endswith(":ro")}
    places = {inside.runtime_dir, inside.data_dir, inside.log_dir, inside.token_path.parent}
    for place in places | {Path("/tmp/any")}:
        assert any(place.is_relative_to(each) for each in writable), place
    run = next(entry for entry in hunter["tmpfs"] if entry.startswith("/run/hunter:"))
    assert f"uid={UID},gid={UID},mode=0700" in run


def test_page_is_published_to_this_host_alone_and_asks_for_the_token(
    compose: dict[str, Any],
    hunter: dict[str, Any],
    inside: Config,
    dockerfile: list[tuple[str, str]],
) -> None:
    port = inside.web.port
    # the same number outside: the page answers to its own address only
    assert hunter["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert rests(dockerfile, "EXPOSE") == [str(port)]
    assert inside.web.enabled
    assert inside.web.host == "0.0.0.0"
    for service in compose["services"].values():
        assert all(entry.startswith("127.0.0.1:") for entry in service["ports"])


def test_health_is_what_hunter_check_says(
    dockerfile: list[tuple[str, str]], hunter: dict[str, Any]
) -> None:
    (told,) = rests(last_stage(dockerfile), "HEALTHCHECK")
    words = json.loads(told.partition("CMD ")[2])
    assert hunter["healthcheck"]["test"] == ["CMD", *words]
    assert words == ["hunter", "check"]
    command = cli.get_command(click.Context(cli), "check")
    assert command is not None
    command.make_context("check", words[2:])


def test_versions_are_fixed_and_ours_is_that_of_the_project(
    compose: dict[str, Any], hunter: dict[str, Any], pyproject: dict[str, Any]
) -> None:
    assert hunter["image"] == f"okx-hunter:{pyproject['project']['version']}"
    for service in compose["services"].values():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), service["image"]


def test_mounted_files_are_there_and_volumes_are_declared(
    root: Path, compose: dict[str, Any]
) -> None:
    sources = [
        entry.split(":")[0]
        for service in compose["services"].values()
        for entry in service["volumes"]
    ]
    files = {source for source in sources if source.startswith("./")}
    assert set(sources) - files == compose["volumes"].keys()
    assert {source for source in files if not (root / source).is_file()} == set()


def test_prometheus_asks_where_the_page_is_with_its_token(
    root: Path, compose: dict[str, Any], inside: Config
) -> None:
    text = (root / "configs/docker/prometheus.yml").read_text(encoding="utf-8")
    told = plain_yaml.load(text)
    (job,) = told["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert host in compose["services"]
    assert host in inside.web.allowed_hosts
    assert int(port) == inside.web.port
    assert job["authorization"]["credentials_file"] == str(inside.token_path)
    prometheus = compose["services"]["prometheus"]
    mounts = {entry.split(":")[1] for entry in prometheus["volumes"]}
    assert str(inside.token_path.parent) in mounts
    assert set(told["rule_files"]) <= mounts
    assert prometheus["user"].split(":")[0] == UID, "only its owner can read the token"


def test_grafana_finds_its_dashboard(root: Path, compose: dict[str, Any]) -> None:
    folder = root / "configs/docker/grafana"
    provider = plain_yaml.load((folder / "dashboards.yml").read_text(encoding="utf-8"))
    source = plain_yaml.load((folder / "datasource.yml").read_text(encoding="utf-8"))
    place = provider["providers"][0]["options"]["path"]
    mounts = [entry.split(":")[1] for entry in compose["services"]["grafana"]["volumes"]]
    assert any(Path(mount).parent == Path(place) for mount in mounts)
    host, _, port = source["datasources"][0]["url"].removeprefix("http://").partition(":")
    assert compose["services"][host]["ports"][0].endswith(f":{port}")


@pytest.mark.parametrize(
    "bad",
    ["a: 1\na: 2", "a: yes", "a:\n\tb: 1", "a: 08", "a: 1:2", "a: &x 1", "- a\nb: 1",
     "a: {b: 1}", "a: 'x'", "a:\n  b: 1\n    c: 2", "a: [1, x]", "a: b: c"],
)  # fmt: skip
def test_plain_yaml_refuses_what_could_be_taken_differently(bad: str) -> None:
    with pytest.raises(plain_yaml.PlainYamlError):
        plain_yaml.load(bad)


def test_plain_yaml_reads_what_we_write() -> None:
    text = """
# comment
a: 1   # and one behind
b:
  - x: "1#2"
    y: true
  - x: http://a:1/b
c: ["CMD", "a"]
d:
e: v1.2.3
"""
    assert plain_yaml.load(text) == {
        "a": 1,
        "b": [{"x": "1#2", "y": True}, {"x": "http://a:1/b"}],
        "c": ["CMD", "a"],
        "d": None,
        "e": "v1.2.3",
    }
