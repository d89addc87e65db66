"""Whether the frameworks see the GPU: asked outside the server, with patience, and remembered."""

from __future__ import annotations

import sys
import threading

import pytest

from labs_extension.gpu.frameworks import Framework, Frameworks, ask_process, unseen
from tests.labs_extension.hand_clock import HandClock

TORCH = """
__version__ = "2.13.0+cpu"
class cuda:
    device_count = staticmethod(lambda: {count})
    get_device_name = staticmethod(lambda number: "Tesla T4")
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Writes a `torch` that the asked process imports."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code):
        (tmp_path / "torch.py").write_text(code)

    return write


def test_one_that_sees_the_gpu_says_so(site):
    site(TORCH.format(count=1))
    assert ask_process(sys.executable, "torch", 60) == Framework(True, "2.13.0+cpu", True)


def test_one_without_gpu_support_does_not_see_it(site):
    site(TORCH.format(count=0))
    assert ask_process(sys.executable, "torch", 60) == Framework(True, "2.13.0+cpu", False)


def test_one_that_chatters_is_understood_all_the_same(site):
    site("print('WARNING: AVX2')\n" + TORCH.format(count=1))
    assert ask_process(sys.executable, "torch", 60) == Framework(True, "2.13.0+cpu", True)


def test_one_that_is_not_installed_is_neither_blind_nor_broken(tmp_path):
    found = ask_process(sys.executable, "tensorflow", 60)
    assert found == Framework(False)
    assert unseen({"tensorflow": found}) == []


def test_one_that_cannot_be_imported_says_why(site):
    site("raise ImportError('libcudart.so.13: cannot open shared object file')")
    found = ask_process(sys.executable, "torch", 60)
    assert found == Framework(
        None, error="ImportError: libcudart.so.13: cannot open shared object file"
    )
    assert unseen({"torch": found}) == ["torch"]


def test_one_that_takes_the_process_with_it_is_an_error(site):
    site("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert ask_process(sys.executable, "torch", 60).error == "exit status -11"


def test_one_that_never_answers_is_ended(site):
    site("import threading; threading.Event().wait()")
    assert ask_process(sys.executable, "torch", 1).error == "no answer within 1 s"


def test_a_python_that_is_not_there_is_an_error():
    assert "No such file" in ask_process("/nowhere/python", "torch", 1).error


class Asked:
    """Counts how often all three were asked."""

    def __init__(self, sees: bool) -> None:
        self.sees = sees
        self.names: list[str] = []
        self.done = threading.Semaphore(0)

    def __call__(self, name):
        self.names.append(name)
        self.done.release()
        return Framework(True, "1", self.sees)


def _look(frameworks, asked):
    frameworks.look()
    for _ in range(3):
        assert asked.done.acquire(timeout=20)
    frameworks._pool.submit(lambda: None).result(20)


@pytest.mark.parametrize(("sees", "again"), [(True, 3), (False, 6)])
def test_a_good_answer_holds_and_a_bad_one_is_asked_again_later(sees, again):
    clock, asked = HandClock(), Asked(sees)
    frameworks = Frameworks(asked, clock)
    assert frameworks.known() is None
    _look(frameworks, asked)
    frameworks.look()
    assert asked.names == ["tensorflow", "torch", "jax"]
    clock.at += 601
    if sees:
        frameworks.look()
    else:
        _look(frameworks, asked)
    assert len(asked.names) == again
    frameworks.close()
