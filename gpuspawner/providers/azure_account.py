"""What the subscription has for us: images, subnets, sizes. Looked up once, since it does not change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuspawner.errors import InvalidSpec, MachineNotFound, NotAuthorized
from gpuspawner.providers.azure_calls import Calls
from gpuspawner.providers.azure_requests import image_reference
from gpuspawner.settings.azure_record import AzureRecord

_LATEST = "latest"
_VERSION = "/versions/"


@dataclass
class Account:
    """Looks things up and remembers them for as long as the process lives."""

    calls: Calls
    record: AzureRecord
    _images: dict[str, str] = field(default_factory=dict)
    _sizes: dict[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    _is_ours: bool = False

    async def pinned(self) -> None:
        """Make sure that the subscription which answers is the one in the configuration.

        Raises:
            NotAuthorized: it is another one.
            InvalidSpec: it has no such resource group.
        """
        if self._is_ours:
            return
        found = await self.calls.get("GetGroup")
        wanted = f"/subscriptions/{self.record.subscription}/".lower()
        if not str(found.get("id", "")).lower().startswith(wanted):
            raise NotAuthorized(f"{found.get('id')} is not in the subscription that was configured")
        self._is_ours = True

    async def image(self, reference: str = "") -> str:
        """The image that a reference means, by its version; empty is the default image.

        `latest` keeps its first answer: otherwise students get different images in the middle of a
        term, and a replayed request is another one.

        Raises:
            InvalidSpec: there is none.
        """
        reference = reference or self.record.image
        if reference not in self._images:
            self._images[reference] = await self._find_image(reference)
        return self._images[reference]

    async def sizes(self, region: str) -> Mapping[str, Mapping[str, Any]]:
        """Azure's description of each configured size that the region has, by name."""
        if region not in self._sizes:
            wanted = set(self.record.sizes)
            listed = await self.calls.all_of("ListSizes", filter=f"location eq '{region}'")
            self._sizes[region] = {
                one["name"]: one
                for one in listed
                if one.get("resourceType") == "virtualMachines" and one["name"] in wanted
            }
        return self._sizes[region]

    async def all_sizes(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """The sizes of each configured region."""
        regions = self.record.regions
        found = await asyncio.gather(*(self.sizes(region) for region in regions))
        return dict(zip(regions, found, strict=True))

    async def usages(self, region: str) -> Mapping[str, Mapping[str, Any]]:
        """The quotas of a region now, by name in lower case."""
        listed = await self.calls.all_of("ListUsage", region)
        return {one["name"]["value"].lower(): one for one in listed}

    async def subnet(self, region: str) -> None:
        """Make sure that the region's subnet is there.

        Raises:
            InvalidSpec: it is not.
        """
        try:
            await self.calls.get("GetSubnet", self.record.subnets[region])
        except MachineNotFound as error:
            raise InvalidSpec(error.detail) from error

    async def _find_image(self, reference: str) -> str:
        asked = image_reference(reference)
        try:
            if "id" in asked:
                if _VERSION not in reference.lower():
                    raise InvalidSpec(f"{reference}: name a version, …/versions/1.0.0")
                await self.calls.get("GetGalleryImage", reference)
                return reference
            place = (self.record.regions[0], asked["publisher"], asked["offer"], asked["sku"])
            answer = await self.calls.ask("ListVersions", *place)
        except MachineNotFound as error:
            raise InvalidSpec(error.detail) from error
        versions = sorted((one["name"] for one in answer.content), key=_order)
        version = asked["version"]
        if version == _LATEST and versions:
            version = versions[-1]
        if version not in versions:
            raise InvalidSpec(f"there is no image {reference} in {self.record.regions[0]}")
        return ":".join((*place[1:], version))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
