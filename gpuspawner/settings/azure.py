"""`c.Azure`: the subscription, the network and the image that the machines are made from."""

from __future__ import annotations

from traitlets import Dict, Enum, List, Unicode
from traitlets.config import Configurable

from gpuspawner.settings.azure_record import AzureRecord, mistakes
from gpuspawner.settings.mistakes import Mistake

__all__ = ["Azure", "AzureRecord"]


class Azure(Configurable):
    """Microsoft Azure. Credentials come from the environment or the host's managed identity, never from here."""

    subscription = Unicode(
        "",
        help="The id of the subscription, a UUID. No default, on purpose: whatever else the credential may reach, "
        "nothing is ever started in another subscription than this one.",
    ).tag(config=True)

    resource_group = Unicode(
        "",
        help="The resource group for machines, disks and interfaces. No default. It must exist. One for this hub "
        "alone keeps the permissions and the bill apart.",
    ).tag(config=True)

    subnets = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Region to the full id of the subnet for machines there, best region first: {'koreacentral': "
        "'/subscriptions/…/subnets/machines'}. No default. More regions mean more chances of a free machine; each "
        "has a quota of its own, and a home stays in the region it was made in. Machines have no public address, "
        "so a subnet needs a NAT gateway for pip and git.",
    ).tag(config=True)

    image = Unicode(
        "",
        help="The default image: publisher:offer:sku:version of the marketplace (such as "
        "microsoft-dsvm:ubuntu-hpc:2404:latest, made fast to one version when the controller starts), or the full "
        "id of a version of a Compute Gallery image. No default. It needs the agent and JupyterLab in it; a "
        "machine from another image never becomes ready.",
    ).tag(config=True)

    sizes = List(
        Unicode(),
        default_value=["Standard_NC4as_T4_v3"],
        help="The sizes that may be used at all, whatever a profile asks for. Default: Standard_NC4as_T4_v3. A short "
        "list guards the credit against a mistyped profile.",
    ).tag(config=True)

    ssh_public_key = Unicode(
        "",
        help="The SSH key of an administrator who may log in to the machines as `gpuspawner` to look for a fault. "
        "Default: none; then the machines get a key that nobody has the other half of.",
    ).tag(config=True)

    endpoint_url = Unicode(
        None,
        allow_none=True,
        help="Another address of Azure Resource Manager, as for a sovereign cloud or a private link. Default: Azure's "
        "own.",
    ).tag(config=True)

    price_list_url = Unicode(
        None,
        allow_none=True,
        help="Another address of Azure's public price list (Retail Prices API), as for a proxy. Default: Azure's own; "
        "beside another endpoint_url, none: a sovereign cloud has prices of its own, so set them in c.Prices.cost.",
    ).tag(config=True)

    ca_file = Unicode(
        "",
        help="A file with certificates of authorities to trust for Azure's address, in PEM format, instead of the "
        "system's: for a proxy that looks into TLS. Default: none.",
    ).tag(config=True)

    tags = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Tags on everything that is made, such as a cost centre. Default: none besides our own. They must not "
        "begin with gpuspawner:, microsoft, azure or windows, and are readable by whoever may read the group.",
    ).tag(config=True)

    disk_type = Enum(
        ["StandardSSD_LRS", "Premium_LRS"],
        default_value="StandardSSD_LRS",
        help="The type of system disks and homes: StandardSSD_LRS or Premium_LRS. Default: StandardSSD_LRS. Premium "
        "is quicker with many small files and costs nearly twice as much, whether the machine runs or not.",
    ).tag(config=True)

    security_type = Enum(
        ["Standard", "TrustedLaunch"],
        default_value="Standard",
        help="Standard or TrustedLaunch, the latter without Secure Boot, which NVIDIA's drivers do not pass as they "
        "are. Default: Standard. It must fit the image: an image made for Trusted Launch needs it.",
    ).tag(config=True)

    def record(self) -> AzureRecord:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is missing or impossible; it is named.
        """
        return AzureRecord(
            subscription=self.subscription,
            resource_group=self.resource_group,
            subnets=dict(self.subnets),
            image=self.image,
            sizes=tuple(self.sizes),
            ssh_public_key=self.ssh_public_key,
            endpoint_url=self.endpoint_url,
            price_list_url=self.price_list_url,
            ca_file=self.ca_file,
            tags=dict(self.tags),
            disk_type=self.disk_type,
            security_type=self.security_type,
        )

    def mistakes(self) -> list[Mistake]:
        """What is missing or impossible, each by name."""
        return mistakes(self)
