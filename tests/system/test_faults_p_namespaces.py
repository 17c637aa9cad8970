"""A supervised tree where pids and processes are scarce: as process 1 of a container, in a pid
namespace whose numbers come round, as a user who may not fork any more, in a group without memory.

Each program runs in namespaces or with limits of its own; where the kernel refuses these, the test
is skipped and says why.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.memory_group import memory_group

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 40
PRELUDE = f"""
import os, resource, signal, subprocess, sys, time
sys.path.insert(0, {str(ROOT)!r})
from supervisor import child
from supervisor.commands import NoCommands
from supervisor.process import Process, own_children, process_entry
from supervisor.runner import Supervisor
from supervisor.spec import Backoff, ChildSpec, RestartIntensity, TreeSpec

def python(code):
    imports = "import os, signal, subprocess, sys, time; sys.path.insert(0, {str(ROOT)!r})"
    return (sys.executable, "-S", "-c", imports + "; from supervisor import child\\n" + code)

def say(*words):
    print(*words, flush=True)
"""
WORK = "child.protect(); child.notify_ready(); time.sleep(60)"


def program(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", PRELUDE + code)


@functools.cache
def in_a_pid_namespace() -> tuple[str, ...]:
    """The words that put a program into one as its process 1, or a skip."""
    flags = ("-pf",) if os.getuid() == 0 else ("-Urpf",)
    argv = ("unshare", *flags, "--kill-child", "--mount-proc")
    try:
        reach = [*argv, sys.executable, "-S", "-c", ""]
        subprocess.run(reach, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no pid namespace to be had here: {error}")
    return argv


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program whose output can be read; ends what the test has left."""
    started = []

    def run(argv: tuple[str, ...]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait(timeout=LIMIT_S)
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line it says; at its end, the errors it leaves."""
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return line.strip()


# -- process 1 ------------------------------------------------------------------------------------

AS_PROCESS_1 = """
assert os.getpid() == 1, os.getpid()
ORPHANS = '''
for _ in range(5):
    subprocess.run(["sh", "-c", "sleep 60 & true"])
    subprocess.run(["sh", "-c", "true & true"])
'''
END = '''
child.protect(); child.notify_ready()
while not os.path.exists({flag!r}):
    time.sleep(0.01)
os._exit(78)
'''

class Observer:
    told = False

    def changed(self, tree, reports):
        if all(record.state.value == "ready" for record in tree.records) and not self.told:
            self.told = True
            say("ready")

    def tick(self):
        if self.told:
            entries = [process_entry(pid) for pid in own_children()]
            zombies = sum(entry is not None and entry.is_zombie for entry in entries)
            say("zombies", zombies)

children = (
    ChildSpec(name="a", argv=python(ORPHANS + {work!r})),
    ChildSpec(name="b", argv=python({work!r})),
    ChildSpec(name="c", argv=python(END), critical=True),
)
code = Supervisor(TreeSpec(children=children), NoCommands(), Observer()).run()
left = [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]
say("left", len(left))
sys.exit(code)
"""


def process_1_of(unshare_pid: int) -> int:
    """The pid, as we see it, of the process 1 that unshare has started and waits for."""
    children = Path(f"/proc/{unshare_pid}/task/{unshare_pid}/children").read_text().split()
    (pid,) = children
    return int(pid)


@pytest.mark.parametrize(("end", "code"), [("SIGTERM", 0), ("critical child", 78)])
def test_p20_as_process_1_it_takes_sigterm_reaps_strangers_and_gives_the_exit_code_on(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, end: str, code: int
) -> None:
    flag = tmp_path / "end"
    argv = program(AS_PROCESS_1.format(work=WORK, flag=str(flag)))
    process = start((*in_a_pid_namespace(), *argv))
    assert line_of(process) == "ready"
    ticks = [line_of(process)]  # orphans that ended by themselves are reaped by and by
    while ticks[-1] != "zombies 0":
        assert len(ticks) < 2 * LIMIT_S, ticks
        ticks.append(line_of(process))
    if end == "SIGTERM":
        os.kill(process_1_of(process.pid), signal.SIGTERM)
    else:
        flag.touch()
    output, errors = process.communicate(timeout=LIMIT_S)
    assert output.splitlines()[-1] == "left 0", (output, errors)
    assert process.returncode == code, errors


# -- numbers that come round ----------------------------------------------------------------------

REUSE = """
assert os.getpid() == 1

def take_number(pid):
    "Start a stranger that has this pid: by asking for it, or by starting until it comes round."
    try:
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(pid - 1))
    except OSError:
        with open("/proc/sys/kernel/pid_max", "w") as most:
            most.write("400")
    for _ in range(2000):
        stranger = subprocess.Popen(("sleep", "60"))
        if stranger.pid == pid:
            return stranger
        stranger.kill()
        stranger.wait()
    say("no luck")
    sys.exit(0)

def check(process, stranger):
    "Every signal there is, to the one that is gone."
    os.kill(process.pid, 0)  # a signal to the number would arrive, at the stranger
    for signal_it in (process.terminate, process.diagnose, process.kill):
        signal_it()
    assert process.reap() is not None, "gone is gone"
    assert process.job_control() is None
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert stranger.poll() is None, "a stranger was hit"
        time.sleep(0.01)

try:
    process = Process(ChildSpec(name="a", argv=("sleep", "60")))
    process.kill()
    while process.reap() is None:
        time.sleep(0.001)
    try:
        stranger = take_number(process.pid)
    except OSError as error:
        say("refused", error)
        sys.exit(0)
    assert process.pid == stranger.pid
    check(process, stranger)
    process.close()
    os.kill(stranger.pid, signal.SIGKILL)
    assert stranger.wait() == -9, "by its number it would have been hit"
    say("fine")
finally:
    sys.stdout.flush()
"""


def test_p15_signals_to_one_that_is_gone_never_hit_who_got_its_number(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start((*in_a_pid_namespace(), *program(REUSE)))
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    if output.startswith(("refused", "no luck")):
        pytest.skip(f"the next process id cannot be chosen here: {output}")
    assert output == "fine\n", errors


ROUND = """
assert os.getpid() == 1
try:
    with open("/proc/sys/kernel/pid_max", "w") as most:
        most.write("320")  # when they come round, they begin at 300
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write("310")
except OSError as error:
    say("refused", error)
    sys.exit(0)

class Observer:
    numbers = []
    strangers = []

    def changed(self, tree, reports):
        record = tree.records[0]
        if record.state.value != "ready" or record.pid in self.numbers[-1:]:
            return
        self.numbers.append(record.pid)
        if len(self.numbers) % 10 == 1:
            self.strangers.append(subprocess.Popen(("sleep", "60")))
        os.kill(record.pid if len(self.numbers) <= 25 else 1, signal.SIGTERM)

    def tick(self):
        pass

observer = Observer()
children = tuple(ChildSpec(name=name, argv=python({work!r})) for name in "ab")
tree = TreeSpec(children=children, intensity=RestartIntensity(max_restarts=1000),
                backoff=Backoff(delay_min_ns=1, delay_max_ns=1))
supervisor = Supervisor(tree, NoCommands(), observer)
code = supervisor.run()
restarts = [record.restarts for record in supervisor.tree.records]
is_hit = any(stranger.poll() is not None for stranger in observer.strangers)
say(code, restarts, len(observer.numbers) > len(set(observer.numbers)), is_hit)
"""


def test_p15_supervisor_whose_childrens_numbers_come_round_hits_nobody_else(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    """Twenty numbers for twenty-six incarnations, a sibling, and processes of the host program."""
    process = start((*in_a_pid_namespace(), *program(ROUND.format(work=WORK))))
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    if output.startswith("refused"):
        pytest.skip(f"process ids cannot be made scarce here: {output}")
    assert output == "0 [25, 0] True False\n", errors


# -- no process to be had -------------------------------------------------------------------------

WITHOUT_FORK = """
import resource
before = resource.getrlimit(resource.RLIMIT_NPROC)

class Observer:
    refused = []
    tripped = False

    def changed(self, tree, reports):
        record = tree.records[0]
        self.refused += [r.text for r in reports if r.kind.value == "start error"]
        if record.state.value == "ready" and not self.tripped:
            self.tripped = True
            resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1]))
            os.kill(record.pid, signal.SIGKILL)
        elif record.state.value == "ready":
            os.kill(os.getpid(), signal.SIGTERM)
        elif len(self.refused) == 2:
            resource.setrlimit(resource.RLIMIT_NPROC, before)

    def tick(self):
        pass

observer = Observer()
child_spec = ChildSpec(name="a", argv=python({work!r}))
tree = TreeSpec(children=(child_spec,), backoff=Backoff(delay_min_ns=10_000_000))
supervisor = Supervisor(tree, NoCommands(), observer)
code = supervisor.run()
record = supervisor.tree.records[0]
say(code, record.restarts, dict(record.exits))
say(*observer.refused)
"""


def as_ordinary_user() -> tuple[str, ...]:
    """The words that make root somebody whom the limit binds, or a skip.

    The number is hardly anybody's. Reading everything is left, for checkouts below root's home.
    """
    if os.getuid() != 0:
        return ()
    bare = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient", "bounding")]
    bare[2] = bare[2].replace("bounding-caps", "bounding-set")
    argv = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", *bare)
    try:
        subprocess.run([*argv, *program("")], check=True, capture_output=True, timeout=LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"root cannot become an ordinary user here: {error}")
    return argv


def test_r15_supervisor_that_may_not_fork_backs_off_and_goes_on_when_it_may(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start((*as_ordinary_user(), *program(WITHOUT_FORK.format(work=WORK))))
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    told, refused = output.splitlines()
    assert told == "0 1 {'signal': 1, 'spawn error': 2, 'asked': 1}"
    assert refused.count("Resource temporarily unavailable") == 2


# -- no memory to be had --------------------------------------------------------------------------

MEMORY_BYTES = 80 << 20
GREEDY = """
class Observer:
    def changed(self, tree, reports):
        for report in reports:
            if report.cause is not None and not report.asked:
                say(report.name, report.cause, "|", report.text)
        record = tree.records[0]
        if record.state.value == "parked":
            assert tree.records[1].restarts == 0
            os.kill(os.getpid(), signal.SIGTERM)

    def tick(self):
        pass

EAT = '''
child.protect(); child.notify_ready()
time.sleep(0.7)
hoard = []
while True:
    hoard.append(b"1" * (1 << 20))
'''
children = (
    ChildSpec(name="a", argv=python(EAT), oom_score_adj=900),
    ChildSpec(name="b", argv=python({work!r})),
)
tree = TreeSpec(children=children, intensity=RestartIntensity(max_restarts=1),
                backoff=Backoff(delay_min_ns=10_000_000))
sys.exit(Supervisor(tree, NoCommands(), Observer()).run())
"""


@pytest.fixture
def small_group() -> Iterator[Path]:
    with memory_group(MEMORY_BYTES) as group:
        yield group


def test_r13_child_killed_by_the_kernel_for_memory_is_told_counted_and_parked(
    small_group: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    # in this order: what was started is ended before the group is removed
    join = f"open('{small_group}/cgroup.procs', 'w').write(str(os.getpid()))\n"
    process = start(program(join + GREEDY.format(work=WORK)))
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    told = "a out of memory | signal 9, perhaps out of memory"
    assert output.splitlines() == [told, told], errors
