"""Everything that the doctor looks at, in order. The documentation's table is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gpuspawner.language import Sentence, _, say


@dataclass(frozen=True, slots=True)
class Check:
    """`looks_at` is what it looks at, in words for people; `clouds` are those that have it."""

    group: str
    looks_at: Sentence
    clouds: tuple[str, ...] = ("aws", "azure")


GROUPS: Mapping[str, Sentence] = {
    "configuration": say(_("Configuration")),
    "class": say(_("The class")),
    "hub": say(_("The hub and its files")),
    "cloud": say(_("The cloud account")),
    "beyond": say(_("What cannot be seen from here")),
}

CHECKS: Mapping[str, Check] = {
    "file": Check("configuration", say(_("Whether the configuration file can be read."))),
    "settings": Check(
        "configuration", say(_("Settings that do not exist, such as a mistyped name."))
    ),
    "values": Check("configuration", say(_("Values of the wrong kind."))),
    "contradictions": Check(
        "configuration", say(_("Settings that are impossible or contradict each other."))
    ),
    "hub-settings": Check(
        "configuration",
        say(_("The hub's own settings that ours need, and JupyterHub's version.")),
    ),
    "profiles": Check("class", say(_("The list of machines: its form, its sizes and its disks."))),
    "roster": Check(
        "class", say(_("How many students there are, and what the hub allows at once."))
    ),
    "start-timeout": Check(
        "class", say(_("Whether a start is given the time that it usually takes."))
    ),
    "prices": Check("class", say(_("Whether every size has a price, and how old the prices are."))),
    "credit": Check(
        "class", say(_("Whether the class has credit, and students are given some of it."))
    ),
    "secret": Check(
        "hub", say(_("The secret file: whether it is whole, and nobody else's to read."))
    ),
    "database": Check(
        "hub", say(_("The database: whether it answers, its version, and whose it is."))
    ),
    "lock": Check("hub", say(_("Who holds the database's lock, and so acts."))),
    "disk": Check("hub", say(_("Free space for the database."))),
    "hub-url": Check(
        "hub",
        say(
            _(
                "The hub's public URL: its name, its certificate, and whether the controller answers."
            )
        ),
    ),
    "account": Check("cloud", say(_("The credentials, and whether the cloud answers."))),
    "image": Check("cloud", say(_("The images of the configuration and of the profiles."))),
    "subnets": Check("cloud", say(_("The subnets and their free addresses."))),
    "security-groups": Check(
        "cloud",
        say(_("The security groups: who is let in, and whether the hub can be reached.")),
        ("aws",),
    ),
    "sizes": Check("cloud", say(_("Which zones have each size."))),
    "quota": Check("cloud", say(_("Whether the quota is enough for all students at once."))),
    "permissions": Check("cloud", say(_("Each permission, tried with DryRun.")), ("aws",)),
    "switch": Check(
        "cloud",
        say(_("The second switch, which deallocates all machines when the controller is dead.")),
        ("azure",),
    ),
    "beyond": Check("beyond", say(_("What only a start of a machine can show."))),
}
