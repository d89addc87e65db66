"""Where a machine is between its boot and its end."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Where the machine is; the value is what a heartbeat says of the server."""

    def __init__(self, server: str) -> None:
        self.server = server.partition(":")[0]

    REGISTER = "stopped:not registered"
    ORDERS = "starting:orders"
    HOME = "starting:home"
    SERVER = "starting:server"
    UP = "running"
    SAVING = "running:saving"
    FAILED = "stopped:failed"
    SAVED = "stopped:saved"
    OFF = "stopped:off"
