"""What our part needs of the hub itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import requires, version
from typing import Any

from packaging.requirements import Requirement

from gpuspawner.configuration import ADMIN_SCOPE, SERVICE
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.language import Sentence, _, say
from gpuspawner.spawner import GPUSpawner

_SPAWNERS = ("gpu", "gpuspawner.spawner.GPUSpawner")


def hub_settings(case: Case) -> Iterator[Line]:
    """What `configure` sets, and what stands after it in the file and undoes it."""
    found = [*_spawner(case), *_pieces(case), *_version()]
    if case.value("JupyterHub", "cleanup_servers", True):
        found.append(
            _failure(
                "c.JupyterHub.cleanup_servers",
                say(_("It is on, so the hub stops every student's machine when it ends.")),
                say(_("Set it to False, after gpuspawner.configure(c).")),
            )
        )
    yield from found
    if not found:
        finding = say(_("JupyterHub {version} is set up for it."), version=version("jupyterhub"))
        yield Line("hub-settings", Mark.OK, "c.JupyterHub", finding)


def _spawner(case: Case) -> Iterator[Line]:
    spawner = case.value("JupyterHub", "spawner_class", "")
    if spawner in _SPAWNERS or (isinstance(spawner, type) and issubclass(spawner, GPUSpawner)):
        return
    name = spawner if isinstance(spawner, str) else getattr(spawner, "__name__", "?")
    subject = "c.JupyterHub.spawner_class"
    remedy = say(_("Call gpuspawner.configure(c) in the configuration file."))
    if not name or "." not in name:
        finding = say(_("The hub starts no GPU machines: its spawner is “{name}”."), name=name)
        yield _failure(subject, finding, remedy)
        return
    finding = say(_("Whether {name} starts GPU machines is not known."), name=name)
    yield Line("hub-settings", Mark.WARNING, subject, finding, remedy)


def _pieces(case: Case) -> Iterator[Line]:
    """A list that was replaced and not added to has lost what we put into it."""
    services = case.value("JupyterHub", "services", [])
    roles = case.value("JupyterHub", "load_roles", [])
    present = {
        "services": _named(services, SERVICE),
        "load_roles": _named(roles, SERVICE),
        "custom_scopes": ADMIN_SCOPE in case.value("JupyterHub", "custom_scopes", {}),
    }
    for name, there in present.items():
        if not there:
            yield _failure(
                f"c.JupyterHub.{name}",
                say(_("What gpuspawner.configure(c) puts into it is missing.")),
                say(_("Add to it after gpuspawner.configure(c), and do not replace it.")),
            )


def _named(entries: Any, name: str) -> bool:
    return any(isinstance(one, dict) and one.get("name") == name for one in entries)


def _version() -> Iterator[Line]:
    installed = version("jupyterhub")
    for text in requires("gpuspawner") or ():
        needed = Requirement(text)
        if needed.name == "jupyterhub" and not needed.specifier.contains(installed):
            yield _failure(
                "jupyterhub",
                say(
                    _("Version {installed} is installed, and {needed} is needed."),
                    installed=installed,
                    needed=str(needed.specifier),
                ),
                say(_("Install the version that is needed, on the hub and in the image.")),
            )


def _failure(subject: str, finding: Sentence, remedy: Sentence) -> Line:
    return Line("hub-settings", Mark.FAILURE, subject, finding, remedy)
