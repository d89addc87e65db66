"""Hears what people do, where it passes through the server. Nothing here is activity by itself.

Three places, each the one that the libraries leave open:

* cells: the class that connects a page to a kernel is a setting of the server, which is asked for
  it at every connection. We put a subclass of whatever is set in its place.
* terminals: there is no such setting, so an address of ours goes before the one of
  `jupyter_server_terminals`, with a subclass of its handler.
* documents: a hook before a document is saved, which the contents manager offers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from jupyter_server.auth.decorator import ws_authenticated
from tornado.routing import PathMatches, Rule

from labs_extension.automatic import is_automatic
from labs_extension.session.activity import Activity
from labs_extension.wire import taken_apart

Failed = Callable[[str, Exception], None]
"""Is told what cannot be heard, and why."""

_ACTS = {("shell", "execute_request"), ("shell", "complete_request"), ("stdin", "input_reply")}


def is_an_act(raw: str | bytes, protocol: str | None) -> bool:
    """Whether a message from a page to a kernel is the act of a person.

    Running a cell, asking for a completion and answering an `input()` are. A request that wants to
    be silent comes from a program (a variable inspector, say), and so do the others: kernel_info,
    comm_info, comm.

    Raises:
        Exception: it is no message of the protocol.
    """
    sent = taken_apart(raw, protocol, _ACTS)
    return sent is not None and not sent.content.get("silent", False)


class Pages:
    """The pages that are connected to a kernel or a terminal now."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._connections: WeakSet[Any] = WeakSet()

    def add(self, connection: Any) -> None:
        """It is connected."""
        self._connections.add(connection)

    def discard(self, connection: Any) -> None:
        """It is no more; safe to repeat."""
        if connection in self._connections:
            self._connections.discard(connection)
            self._activity.page_left()

    def __bool__(self) -> bool:
        return bool(self._connections)


def hear_kernels(
    settings: dict[str, Any], activity: Activity, pages: Pages, failed: Failed
) -> None:
    """Hear the messages from pages to kernels, from the next connection on."""
    connection_class: Any = settings["kernel_websocket_connection_class"]

    class HeardConnection(connection_class):  # type: ignore[misc]
        """The server's own connection, heard."""

        def connect(self) -> Any:
            """Connect, and be counted."""
            pages.add(self)
            return super().connect()

        def disconnect(self) -> Any:
            """Disconnect, and be counted no more."""
            pages.discard(self)
            return super().disconnect()

        def handle_incoming_message(self, incoming_msg: Any) -> None:
            """Hear it, and hand it on unchanged."""
            try:
                if is_an_act(incoming_msg, getattr(self, "subprotocol", None)):
                    activity.person("cell")
            except Exception as error:  # noqa: BLE001 - it must still be delivered
                failed("cells", error)
            super().handle_incoming_message(incoming_msg)

    settings["kernel_websocket_connection_class"] = HeardConnection


def hear_terminals(
    web_app: Any, base_url: str, activity: Activity, pages: Pages, failed: Failed
) -> None:
    """Hear what is typed in terminals; nothing where the server has none."""
    manager = web_app.settings.get("terminal_manager")
    if manager is None:
        return
    from jupyter_server_terminals.handlers import TermSocket  # noqa: PLC0415 - it may be missing

    class HeardTerminal(TermSocket):
        """The terminal's own handler, heard."""

        @ws_authenticated
        async def get(self, *args: Any, **kwargs: Any) -> None:
            """Become a websocket, for whom the terminal's own handler lets in."""
            await super().get(*args, **kwargs)

        def open(self, *args: Any, **kwargs: Any) -> Any:
            """Open, and be counted."""
            pages.add(self)
            return super().open(*args, **kwargs)

        def on_close(self) -> None:
            """Close, and be counted no more."""
            pages.discard(self)
            super().on_close()

        async def on_message(self, message: Any) -> None:  # type: ignore[override]
            """Hear whether something was typed, and hand it on unchanged."""
            try:
                # A page tells its size whenever it is shown: that is nobody's typing.
                if json.loads(message)[0] == "stdin":
                    activity.person("terminal")
            except Exception as error:  # noqa: BLE001 - it must still be delivered
                failed("terminals", error)
            await super().on_message(message)

    address = rf"{base_url.rstrip('/')}/terminals/websocket/(\w+)$"
    given = {"name": "jupyter_server_terminals", "term_manager": manager}
    rule = Rule(PathMatches(address), HeardTerminal, given)
    web_app.default_router.rules.insert(0, rule)  # Tornado asks in this order


class Documents:
    """Tells the saves of a person from those of a page that saves output by itself.

    JupyterLab saves a document every two minutes while it differs from what was saved last, also
    when only output has come. So a save counts when the text that a person writes has changed, or
    when nothing at all has, which no page does by itself.
    """

    def __init__(self, activity: Activity, most: int = 256) -> None:
        self._activity = activity
        self._most = most
        self._seen: dict[str, tuple[int, int]] = {}

    def before_save(self, model: dict[str, Any], path: str, **_: Any) -> None:
        """The hook that the contents manager calls; `model` as its REST API has it."""
        written, shown = _fingerprint(model)
        before = self._seen.pop(path, None)
        self._seen[path] = (written, shown)
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        changed = before is None or before[0] != written or before[1] == shown
        if changed and not is_automatic():
            self._activity.saved()


def _fingerprint(model: dict[str, Any]) -> tuple[int, int]:
    """Two numbers that change with what is written in a document, and with what it shows."""
    content = model.get("content")
    if model.get("type") != "notebook" or not isinstance(content, dict):
        return hash((model.get("type"), str(content), model.get("chunk"))), 0
    cells = content.get("cells", [])
    written = hash(tuple((cell.get("cell_type"), _text(cell.get("source"))) for cell in cells))
    shown = hash(tuple(str(cell.get("outputs")) for cell in cells))
    return written, shown


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)
