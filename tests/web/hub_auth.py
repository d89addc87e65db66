"""The process's one `HubOAuth`: JupyterHub keeps it, with a thread, for as long as the process lives."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zlib import crc32

from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth

from gpuspawner.names import user_id


def made(name: str, again: int = 0) -> datetime:
    """When a fake hub made the user of that name; `again`: the next one who got the name."""
    since = datetime(2026, 3, 1, tzinfo=timezone.utc)
    return since + timedelta(microseconds=crc32(name.encode()), days=again)


def id_of(name: str, again: int = 0) -> str:
    """Who that is for a spawner of the same hub."""
    return user_id(7, made(name, again))


def told(name: str, again: int = 0) -> dict[str, str]:
    """What the hub's API says of a user to who may ask."""
    return {"kind": "user", "name": name, "created": made(name, again).isoformat()}


def forget() -> None:
    """Let the next one read the environment anew."""
    if HubOAuth.initialized():
        auth = HubOAuth.instance()
        auth._synchronize(close_client)
        auth._pool.shutdown()
        auth._thread_loop.close()
    HubOAuth.clear_instance()


async def close_client() -> None:
    """Close the client that JupyterHub keeps for this event loop, which it leaves to the collector."""
    await JupyterHubHTTPClient.loop_instance().close()
