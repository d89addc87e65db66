"""The one way to make a call of `azure_uses` to Azure.

Of the SDK only the compute client and the credential are used: the network one would cost
31 MB for one list, which is asked through the same pipeline.

No call waits for a long-running operation (`polling=False`): the SDK would ask for each machine
every thirty seconds, and one listing says it of all. No call is repeated by the SDK
(`retry_total=0`): it would sleep for as long as Azure says, twenty minutes if need be, without a
word to the student.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gpuspawner.clock import Clock
from gpuspawner.errors import (
    ConfigurationError,
    NotAuthorized,
    ProviderError,
    ProviderUnavailable,
    Throttled,
)
from gpuspawner.providers.azure_errors import translated
from gpuspawner.providers.azure_limits import Limits
from gpuspawner.providers.azure_uses import USED_CALLS, Use
from gpuspawner.settings.azure_record import AzureRecord

_PLACES = 32
_PUBLIC = "https://management.azure.com"
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_BLOB_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What Azure answered: `content` is the JSON, `operation` the address of what goes on."""

    content: Any
    operation: str = ""


class Calls:
    """Asks Azure: within the limits, in the pinned subscription, with our errors."""

    def __init__(self, record: AzureRecord, clock: Clock) -> None:
        self._record = record
        self.limits = Limits(clock, _PLACES)
        self._making = asyncio.Lock()
        self._client: Any = None
        self._credential: Any = None

    async def ask(self, action: str, *arguments: Any, **options: Any) -> Answer:
        """Make one call of `USED_CALLS` through the SDK's own method.

        Raises:
            ProviderError: one of its subclasses, never an exception of the SDK.
        """
        use = USED_CALLS[action]
        method = await self._method(use)
        if ".begin_" in use.method:
            options["polling"] = False

        async def call(heard: Any) -> Any:
            result = await method(*arguments, raw_response_hook=heard, **options)
            return await result.result() if ".begin_" in use.method else result

        result, headers = await self._turn(action, call)
        if isinstance(result, list):
            return Answer([one.as_dict() for one in result])
        content = result.as_dict() if hasattr(result, "as_dict") else None
        return Answer(content, headers.get("Azure-AsyncOperation", ""))

    async def all_of(self, action: str, *arguments: Any, **options: Any) -> list[Any]:
        """Everything in a list, over all pages: whole, or an error."""
        method = await self._method(USED_CALLS[action])
        heard: list[Any] = []
        pages = method(*arguments, raw_response_hook=heard.append, **options).by_page()
        found: list[Any] = []
        while True:

            async def call(tell: Any) -> Any:
                heard.clear()
                try:
                    page = await pages.__anext__()
                    return [one.as_dict() async for one in page]
                except StopAsyncIteration:
                    return None
                finally:
                    for response in heard:
                        tell(response)

            page, _ = await self._turn(action, call)
            if page is None:
                return found
            found += page
            if pages.continuation_token is None:
                return found

    async def get(self, action: str, *names: str) -> Any:
        """GET what has no method in the SDK that we use."""
        return await self._send(action, "GET", self._url(action, *names))

    async def post(self, action: str, *names: str, body: Mapping[str, Any]) -> None:
        """POST what has no method in the SDK that we can use."""
        await self._send(action, "POST", self._url(action, *names), body)

    async def delete(self, action: str, *names: str) -> None:
        """DELETE what has no method in the SDK that we use."""
        await self._send(action, "DELETE", self._url(action, *names))

    async def list(self, action: str) -> list[Any]:
        """Everything in a list that has no method in the SDK that we use: whole, or an error."""
        found: list[Any] = []
        url = self._url(action)
        while url:
            content = await self._send(action, "GET", url)
            found += content["value"]
            url = content.get("nextLink") or ""
        return found

    async def fetch(self, url: str) -> str:
        """The text of a blob, whose address carries its own key: no token of ours goes there."""
        import aiohttp  # noqa: PLC0415 - only when somebody looks for a fault

        trust = self._trust()
        timeout = aiohttp.ClientTimeout(total=_READ_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, ssl=True if trust is None else trust) as answer,
            ):
                if answer.status != 200:
                    return ""
                return (await answer.content.read(_BLOB_BYTES)).decode("utf-8", "replace")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Not its text: that has the address, and so the key.
            raise ProviderUnavailable(f"the console: {type(error).__name__}") from None

    async def close(self) -> None:
        """Give connections back."""
        client, self._client = self._client, None
        credential, self._credential = self._credential, None
        for one in (client, credential):
            if one is not None:
                await one.close()

    async def _turn(self, action: str, call: Any) -> tuple[Any, Mapping[str, str]]:
        use = USED_CALLS[action]
        headers: dict[str, str] = {}

        def heard(response: Any) -> None:
            headers.update(response.http_response.headers)

        async with self.limits.turn(use.kind, use.policy, use.urgency):
            try:
                result = await call(heard)
            except ProviderError:
                raise
            except Exception as error:
                ours = translated(error, action)
                self.limits.heard(use.kind, use.policy, headers)
                if isinstance(ours, Throttled):
                    self.limits.refused(use.kind, use.policy, ours.retry_after)
                raise ours from error
        self.limits.heard(use.kind, use.policy, headers)
        return result, headers

    async def _send(
        self, action: str, method: str, url: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415
        from azure.core.rest import HttpRequest  # noqa: PLC0415
        from azure.mgmt.core.exceptions import ARMErrorFormat  # noqa: PLC0415

        self._guard(url)
        client = await self._made()

        async def call(heard: Any) -> Any:
            response = await client.send_request(
                HttpRequest(method, url, json=body), raw_response_hook=heard
            )
            if response.status_code >= 400:
                raise HttpResponseError(response=response, error_format=ARMErrorFormat)
            return response.json() if response.content else None

        result, _ = await self._turn(action, call)
        return result

    def _url(self, action: str, *names: str) -> str:
        path = USED_CALLS[action].method.format(*names)
        if path.startswith(("/subscriptions/", "https://")):
            return path
        record = self._record
        group = f"/subscriptions/{record.subscription}/resourceGroups/{record.resource_group}"
        return f"{group}{path}" if path.startswith("?") else f"{group}/providers/{path}"

    def _guard(self, url: str) -> None:
        """Nothing but the pinned subscription is spoken to, whatever an answer or a setting names.

        An image may be another subscription's: it is only read.
        """
        parts = urlsplit(url)
        named = parts.path.lower().split("/subscriptions/")[1:]
        ours = not named or named[0].split("/")[0] == self._record.subscription.lower()
        image = "/providers/microsoft.compute/galleries/" in parts.path.lower()
        own = urlsplit(self._record.endpoint_url or _PUBLIC).netloc
        if (not ours and not image) or parts.netloc not in ("", own):
            raise NotAuthorized(f"{parts.path} is not in the subscription of Azure.subscription")

    async def _method(self, use: Use) -> Any:
        found = await self._made()
        for name in use.method.split("."):
            found = getattr(found, name)
        return found

    async def _made(self) -> Any:
        async with self._making:
            if self._client is None:
                # Half a second of imports, which no event loop should stand still for.
                self._client = await asyncio.to_thread(self._make)
        return self._client

    def _make(self) -> Any:
        try:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415
            from azure.mgmt.compute.aio import ComputeManagementClient  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "the Azure SDK is not installed: pip install 'gpuspawner[azure]'"
            ) from error
        record = self._record
        if self._credential is None:
            self._credential = DefaultAzureCredential()
        more: dict[str, Any] = {}
        if record.endpoint_url:
            more["base_url"] = record.endpoint_url
        if record.ca_file:
            more["connection_verify"] = record.ca_file
        return ComputeManagementClient(
            self._credential,
            record.subscription,
            retry_total=0,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            **more,
        )

    def _trust(self) -> ssl.SSLContext | None:
        if not self._record.ca_file:
            return None
        return ssl.create_default_context(cafile=self._record.ca_file)


async def each(
    ids: Collection[str], do: Callable[[str], Awaitable[None]]
) -> dict[str, ProviderError]:
    """Do it for each at once, as far as the limits let them; the error of each that failed."""

    async def one(id_: str) -> tuple[str, ProviderError | None]:
        try:
            await do(id_)
        except ProviderError as error:
            return id_, error
        return id_, None

    done = await asyncio.gather(*(one(id_) for id_ in dict.fromkeys(ids)))
    return {id_: error for id_, error in done if error is not None}
