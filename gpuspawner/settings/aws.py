"""`c.AWS`: the account, the network and the image that the machines are made from."""

from __future__ import annotations

from traitlets import Dict, Enum, List, Unicode
from traitlets.config import Configurable

from gpuspawner.settings.aws_record import AWSRecord, mistakes
from gpuspawner.settings.mistakes import Mistake

__all__ = ["AWS", "AWSRecord"]


class AWS(Configurable):
    """Amazon EC2. Credentials come from the environment or the host's role, never from here."""

    region = Unicode(
        "us-east-1",
        help="The AWS region. Default: us-east-1. Prices and quotas differ between regions; a region near the class "
        "makes typing feel quicker.",
    ).tag(config=True)

    image = Unicode(
        "",
        help="The default machine image: an id (ami-…), the name of an image of this account, or a public parameter "
        "(ssm:/aws/service/…). No default. It needs the agent and JupyterLab in it; a machine from another "
        "image never becomes ready.",
    ).tag(config=True)

    sizes = List(
        Unicode(),
        default_value=["g4dn.xlarge"],
        help="The instance types that may be used at all, whatever a profile asks for. Default: g4dn.xlarge. A short "
        "list guards the credit against a mistyped profile.",
    ).tag(config=True)

    subnets = List(
        Unicode(),
        help="Subnets for the machines, best first: ids (subnet-…) or tag:KEY=VALUE. Default: those of the default "
        "VPC. More zones mean more chances of a free machine; they need a route to the hub.",
    ).tag(config=True)

    security_groups = List(
        Unicode(),
        help="Security groups of the machines: ids (sg-…) or names. Default: the VPC's default group. Admit the hub "
        "and the proxy on the single-user server's port, and nobody else.",
    ).tag(config=True)

    endpoint_url = Unicode(
        None,
        allow_none=True,
        help="Another address of the EC2, SSM, Service Quotas and Price List APIs, as for a VPC endpoint. Default: AWS's own.",
    ).tag(config=True)

    tags = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Tags on everything that is made, such as a cost centre. Default: none besides our own. They must not "
        "begin with gpuspawner: or aws:, and are readable by whoever may describe instances.",
    ).tag(config=True)

    disk_type = Enum(
        ["gp3", "gp2"],
        default_value="gp3",
        help="The EBS type of system disks and homes: gp3 or gp2. Default: gp3, which is cheaper and no slower.",
    ).tag(config=True)

    def record(self) -> AWSRecord:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is missing or impossible; it is named.
        """
        return AWSRecord(
            region=self.region,
            image=self.image,
            sizes=tuple(self.sizes),
            subnets=tuple(self.subnets),
            security_groups=tuple(self.security_groups),
            endpoint_url=self.endpoint_url,
            tags=dict(self.tags),
            disk_type=self.disk_type,
        )

    def mistakes(self) -> list[Mistake]:
        """What is missing or impossible, each by name."""
        return mistakes(self)
