"""The dead man's switch: a machine whose network is really cut, and one that nobody knows."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from urllib.parse import urlsplit

from tests.emulator.machine.machines import Student, World, listening, wait_until

LIMIT = 6.0


class Wire:
    """What carries a machine's words to its controller, until it is cut.

    Silently, so that what is sent is lost and nothing comes back; or so that everything is refused.
    """

    def __init__(self, to: str) -> None:
        url = urlsplit(to)
        self._to = (url.hostname, url.port)
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = to.replace(f":{url.port}", f":{self._listener.getsockname()[1]}")
        self._ends: list[socket.socket] = []
        self._refuses = False
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, silently: bool) -> None:
        self._refuses = not silently
        self._whole.clear()
        if self._refuses:
            self._hang_up()

    def mend(self) -> None:
        """Connections that hung meanwhile are lost."""
        self._hang_up()
        self._refuses = False
        self._whole.set()

    def close(self) -> None:
        self._listener.close()
        self._hang_up()

    def _hang_up(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends = []

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._refuses:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := one.recv(65536):
                if self._whole.is_set():
                    other.sendall(said)
                else:
                    self.swallowed += len(said)
            if self._whole.is_set():
                other.shutdown(socket.SHUT_WR)


def session(one: Student) -> dict:
    """What the student is shown."""
    return json.loads(one.says("cat /run/gpuspawner/session.json"))


def test_a_machine_whose_network_is_cut_warns_saves_and_switches_itself_off(apart: World) -> None:
    alice = apart.machine(unreachable_seconds=LIMIT)
    wire = Wire(alice.controller.url)
    alice.controller.url = wire.url
    try:
        alice.boot()
        alice.wait_until_up()
        alice.wait_for(lambda c: c.heartbeats)
        alice.says("echo done > homework")
        wire.cut(silently=False)
        wait_until(lambda: session(alice)["verdict"] == "warn")
        wait_until(lambda: session(alice)["verdict"] == "save_and_stop")
        shown = session(alice)
        assert (shown["reason"], shown["session"]) == ("unreachable", {"save": "unreachable"})
        assert shown["seconds_left"] <= LIMIT
        apart.wait_for(("i-1", "poweroff"))
    finally:
        wire.close()
    home = apart.volume() / "data"
    assert (home / "homework").read_text() == "done\n"
    assert (home / "ended-gently").read_text() == "yes"
    assert not listening(alice.address)
    assert apart.events == [("i-1", "poweroff")]


def test_a_network_that_comes_back_in_time_changes_nothing(apart: World) -> None:
    alice = apart.machine(unreachable_seconds=60)
    wire = Wire(alice.controller.url)
    alice.controller.url = wire.url
    try:
        alice.boot()
        alice.wait_until_up()
        server = alice.says("echo $PPID")
        wire.cut(silently=True)
        wait_until(lambda: wire.swallowed)
        wire.mend()
        beats = len(alice.controller.heartbeats)
        alice.wait_for(lambda c: len(c.heartbeats) > beats)
        wait_until(lambda: session(alice)["verdict"] == "keep")
        assert alice.says("echo $PPID") == server
        assert not (apart.volume() / "data" / "ended-gently").exists()
        assert apart.events == []
    finally:
        wire.close()


def test_a_machine_that_nobody_knows_any_more_saves_and_switches_itself_off(apart: World) -> None:
    alice = apart.machine(disowned_seconds=LIMIT)
    alice.boot()
    alice.wait_until_up()
    alice.wait_for(lambda c: c.heartbeats)
    alice.controller.change(refuse=404)
    wait_until(lambda: session(alice).get("reason") == "disowned")
    apart.wait_for(("i-1", "poweroff"))
    assert (apart.volume() / "data" / "ended-gently").read_text() == "yes"
    assert apart.events == [("i-1", "poweroff")]
