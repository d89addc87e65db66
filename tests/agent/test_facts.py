"""What the agent measures of GPUs and of the student's processes, by real processes and libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpuspawner.agent.gpus import NVML_SECONDS, SMI_SECONDS, Gpus
from gpuspawner.agent.processes import Student
from tests.agent.conftest import HandClock
from tests.labs_extension.fake_nvml import Gpu, Library, install

BUSY = "while True: sum(range(10_000))"


def test_gpus_are_told_as_means_of_a_minute_and_of_five_each_field_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card, mute = Gpu(utilization=0), Gpu(name="L4", utilization=None, memory=None)
    install(monkeypatch, Library(card, mute))
    clock = HandClock()
    gpus = Gpus(clock)
    assert gpus.facts() is None
    assert gpus.find() == NVML_SECONDS
    for second in range(300):
        card.utilization = 90 if second < 30 else 3 if second >= 270 else 0
        gpus.sample()
        clock.now += 1
    clock.now -= 1
    assert gpus.facts() == [
        {
            "name": "Tesla T4",
            "percent": 1.48,
            "mean_5min": 9.3,
            "max_5min": 90.0,
            "memory_mib": 3072,
            "memory_total_mib": 15360,
        },
        {
            "name": "L4",
            "percent": None,
            "mean_5min": None,
            "max_5min": None,
            "memory_mib": None,
            "memory_total_mib": None,
        },
    ]


def test_a_driver_that_answers_no_more_makes_the_gpus_unknown_and_not_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library(Gpu())
    install(monkeypatch, library)
    clock = HandClock()
    gpus = Gpus(clock)
    gpus.find()
    gpus.sample()
    library.lost = True
    gpus.sample()
    assert [one["percent"] for one in gpus.facts() or []] == [37.0]
    clock.now += 61
    gpus.sample()
    assert gpus.facts() is None
    library.lost = False
    gpus.sample()
    assert [one["percent"] for one in gpus.facts() or []] == [37.0]


def test_without_the_binding_nvidias_own_program_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'Tesla T4, 37, 1024, 15360'\necho 'A10, [N/A], 0, 15360'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    gpus = Gpus(HandClock())
    assert gpus.find() == SMI_SECONDS
    gpus.sample()
    assert [(one["name"], one["percent"], one["memory_mib"]) for one in gpus.facts() or []] == [
        ("Tesla T4", 37.0, 1024.0),
        ("A10", None, 0.0),
    ]


def test_with_neither_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus = Gpus(HandClock(), driver=tmp_path)
    assert gpus.find() is None
    gpus.sample()
    assert gpus.facts() is None


def test_without_a_driver_there_is_no_gpu_rather_than_one_that_cannot_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus = Gpus(HandClock(), driver=tmp_path / "not-loaded")
    assert (gpus.facts(), gpus.find(), gpus.facts()) == (None, None, [])


class Machine:
    """A folder with the processes that a test writes, as the kernel would tell of them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, **about: Any) -> None:
        told = {
            "name": "python",
            "state": "S",
            "parent": 1,
            "session": pid,
            "tty": 0,
            "ticks": 0,
            **about,
        }
        line = "{pid} ({name}) {state} {parent} {pid} {session} {tty} -1 0 0 0 0 0 {ticks} 0 0 0 20"
        folder = self.root / "proc" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(line.format(pid=pid, **told))

    def ended(self, pid: int) -> None:
        (self.root / "proc" / str(pid) / "stat").unlink()
        (self.root / "proc" / str(pid)).rmdir()


@pytest.fixture
def kernel(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.process(100, name="jupyterhub-singleuser")
    return machine


def test_work_is_counted_below_the_server_in_percent_of_one_core(
    tmp_path: Path, kernel: Machine
) -> None:
    student = Student(tmp_path)
    kernel.process(200, parent=100, ticks=5000)
    kernel.process(900, parent=1, ticks=5000)  # the machine's own
    student.sample(0.0, 100)
    assert student.processor() == {"student_percent_5min": None, "terminal_child": False}
    ticks = os.sysconf("SC_CLK_TCK")
    kernel.process(200, parent=100, ticks=5000 + 20 * ticks)
    kernel.process(900, parent=1, ticks=5000 + 900 * ticks)
    student.sample(10.0, 100)
    assert student.processor() == {"student_percent_5min": 200.0, "terminal_child": False}
    kernel.ended(200)
    student.sample(20.0, 100)
    assert student.processor() == {"student_percent_5min": 100.0, "terminal_child": False}
    student.sample(315.0, 100)
    assert student.processor() == {"student_percent_5min": 0.0, "terminal_child": False}


def test_a_terminal_works_while_its_shell_has_something_that_runs(
    tmp_path: Path, kernel: Machine
) -> None:
    student = Student(tmp_path)
    terminal = 136 << 8 | 3
    kernel.process(200, name="bash", parent=100, tty=terminal)
    seen = []
    for state in (None, "S", "T", "Z"):
        if state:
            kernel.process(201, name="a) b (c", parent=200, session=200, tty=terminal, state=state)
        student.sample(0.0, 100)
        seen.append((student.processor() or {})["terminal_child"])
    assert seen == [False, True, False, False]


def test_ssh_sessions_are_counted_with_the_age_of_what_was_typed_last(
    tmp_path: Path, kernel: Machine
) -> None:
    student = Student(tmp_path)
    student.sample(0.0, 100)
    assert student.ssh(0.0) == {"sessions": 0, "input_age": None}
    typed = tmp_path / "dev/pts/7"
    typed.parent.mkdir(parents=True)
    typed.touch()
    os.utime(typed, (5, 5))
    kernel.process(300, name="sshd-session", parent=100)
    kernel.process(301, name="bash", parent=300, tty=136 << 8 | 7)
    student.sample(100.0, 100)
    student.sample(130.0, 100)
    assert student.ssh(130.0) == {"sessions": 1, "input_age": 30.0}
    os.utime(typed, (9, 5))
    student.sample(140.0, 100)
    assert student.ssh(145.0) == {"sessions": 1, "input_age": 5.0}


def test_a_process_that_really_computes_is_seen() -> None:
    fork = f"import os\nif not os.fork():\n  {BUSY}\nprint('up', flush=True)\ninput()"
    server = subprocess.Popen(
        [sys.executable, "-c", fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        student, used, look = Student(Path("/")), 0.0, 0.0
        while not used:
            look += 0.01
            student.sample(look, server.pid)
            used = (student.processor() or {})["student_percent_5min"] or 0.0
    finally:
        os.killpg(server.pid, 9)
        server.communicate()
