"""The one address that a browser sees: the hub, and its service below its path, as a proxy has it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
"""What is between two neighbours, and is not passed on."""


@asynccontextmanager
async def front(hub: str, service: str, prefix: str):
    """Its URL; what is below `prefix` is the service's, everything else the hub's."""
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:  # fmt: skip

        async def passed_on(request: web.Request) -> web.StreamResponse:
            to = service if request.path.startswith(prefix) else hub
            headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP]
            async with session.request(
                request.method, f"{to}{request.raw_path}", headers=headers,
                data=await request.read(), allow_redirects=False,
            ) as answer:  # fmt: skip
                told = web.StreamResponse(status=answer.status, reason=answer.reason)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        told.headers.add(name, value)
                await told.prepare(request)
                async for chunk in answer.content.iter_any():
                    await told.write(chunk)
                await told.write_eof()
                return told

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed_on)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        finally:
            await runner.cleanup()
