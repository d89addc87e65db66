"""The process's one `HubOAuth`: JupyterHub keeps it, with a thread, for as long as the process lives."""

from __future__ import annotations

from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth


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
