"""Hears what pages ask kernels to run, and what the kernels say, with or without a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakSet

from jupyter_client.session import Session

from labs_extension.outputs.records import Records
from labs_extension.wire import taken_apart

Failed = Callable[[str, Exception], None]
"""Is told what does not work, and why."""

_RUN = {("shell", "execute_request")}


class Kernels:
    """A subscription of our own to what each kernel says to all, from before anything is run in it."""

    def __init__(
        self, manager: Any, hear: Callable[[str, Mapping[str, Any], int], None], failed: Failed
    ) -> None:
        self._manager = manager
        self._hear = hear
        self._failed = failed
        self._lines: dict[str, tuple[list[int], Any]] = {}

    def listen(self, kernel_id: str) -> None:
        """Listen to this kernel; again, if it has started anew on other ports."""
        kernel = self._manager.get_kernel(kernel_id)
        ports = list(kernel.ports)
        if kernel_id in self._lines:
            known, line = self._lines[kernel_id]
            if known == ports and not line.closed():
                return
            line.close()
        session = Session(config=kernel.session.config, key=kernel.session.key)
        line = kernel.connect_iopub()
        self._lines[kernel_id] = (ports, line)

        def heard(parts: list[bytes]) -> None:
            try:
                _, rest = session.feed_identities(parts)
                self._hear(kernel_id, session.deserialize(rest), sum(map(len, rest)))
            except Exception as error:  # noqa: BLE001 - what a student's kernel says may be anything
                self._failed("what a kernel says", error)

        line.on_recv(heard)

    def gone(self) -> list[str]:
        """The kernels that are there no more, each once."""
        gone = [one for one in self._lines if one not in self._manager]
        for kernel_id in gone:
            self._close(kernel_id)
        return gone

    def close(self) -> None:
        """Take in what has arrived, and listen no more."""
        for kernel_id in list(self._lines):
            self._close(kernel_id)

    def _close(self, kernel_id: str) -> None:
        _, line = self._lines.pop(kernel_id)
        if not line.closed():
            line.flush()
            line.close()


class Pages:
    """What is done when a page comes, goes or asks for something.

    Args:
        records: are told.
        listen: is told of each kernel before a page is connected to it.
        moved: is told of each kernel whose pages have come or gone.
        failed: is told what does not work; the page's connection goes on.
    """

    def __init__(
        self,
        records: Records,
        listen: Callable[[str], None],
        moved: Callable[[str], None],
        failed: Failed,
    ) -> None:
        self._records = records
        self._listen = listen
        self._moved = moved
        self._failed = failed
        self._connected: WeakSet[Any] = WeakSet()

    def come(self, connection: Any) -> None:
        """A page is about to be connected."""
        self._listen(connection.kernel_id)
        self._connected.add(connection)
        self._records.came(connection.kernel_id, connection.session_id)
        self._moved(connection.kernel_id)

    def leave(self, connection: Any) -> None:
        """A page's connection ends; safe to repeat."""
        if connection in self._connected:
            self._connected.discard(connection)
            self._records.left(connection.kernel_id, connection.session_id)
            self._moved(connection.kernel_id)

    def ask(self, connection: Any, raw: str | bytes) -> None:
        """A page sends a message."""
        sent = taken_apart(raw, getattr(connection, "subprotocol", None), _RUN)
        if sent is not None:
            page = connection.kernel_id, connection.session_id
            self._records.asked(*page, sent.name, sent.metadata, sent.content)

    def hear(self, what: Callable[..., None], *of: Any) -> None:
        """Do one of the above, and let nothing come of it if it fails."""
        try:
            what(*of)
        except Exception as error:  # noqa: BLE001 - see above
            self._failed("cells that run", error)


def hear_pages(settings: dict[str, Any], pages: Pages) -> None:
    """Have `pages` told of what pages do, from the next connection on.

    The class that connects a page to a kernel is a setting of the server's web application, which is
    asked for it at every connection. We put a subclass of whatever is set in its place.
    """
    connection_class: Any = settings["kernel_websocket_connection_class"]

    class RecordedConnection(connection_class):  # type: ignore[misc]
        """The server's own connection, heard."""

        def connect(self) -> Any:
            """Connect, and be counted."""
            pages.hear(pages.come, self)
            return super().connect()

        def disconnect(self) -> Any:
            """Disconnect, and be counted no more."""
            pages.hear(pages.leave, self)
            return super().disconnect()

        def handle_incoming_message(self, incoming_msg: Any) -> None:
            """Hear it, and hand it on unchanged."""
            pages.hear(pages.ask, self, incoming_msg)
            super().handle_incoming_message(incoming_msg)

    settings["kernel_websocket_connection_class"] = RecordedConnection


def sources(model: Mapping[str, Any]) -> dict[str, str]:
    """The code cells of a notebook that is being saved, by id; `model` as in the contents API."""
    content = model.get("content")
    if isinstance(content, str):
        content = json.loads(content)
    if model.get("type") != "notebook" or not isinstance(content, Mapping):
        return {}
    cells = [cell for cell in content.get("cells", ()) if cell.get("cell_type") == "code"]
    return {str(cell.get("id")): _text(cell.get("source", "")) for cell in cells}


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)
