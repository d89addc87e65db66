"""The hub's public URL, as far as this computer can stand in for a machine."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from gpuspawner.doctor.case import Case
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.language import Sentence, _, say

SECONDS = 10.0
_PATH = "services/gpuspawner/health"
_HEALTHY = frozenset({"ok", "degraded", "starting"})
_MOST_BYTES = 65536


@dataclass
class Found:
    """The lines, and the addresses that the URL's name leads to, with its port."""

    lines: list[Line] = field(default_factory=list)
    addresses: tuple[tuple[str, int], ...] = ()

    def add(self, mark: Mark, subject: str, finding: Sentence, remedy: Sentence | None) -> None:
        """One more line."""
        self.lines.append(Line("hub-url", mark, subject, finding, remedy))


def hub_url(case: Case, *, running: bool) -> Found:
    """Resolve it, fetch from it. `running` is whether a controller holds the lock."""
    found = Found()
    url = case.controller.public_url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        finding = say(_("It is no URL, so it was not tried."))
        found.add(Mark.NOT_CHECKED, "c.Controller.public_url", finding, None)
        return found
    if parts.scheme == "http":
        finding = say(
            _("It is not HTTPS: the students' tokens and work travel on it in the clear.")
        )
        remedy = say(_("Give the hub a certificate, and a URL that begins with https://."))
        found.add(Mark.WARNING, url, finding, remedy)
    try:
        addresses = _resolved(parts)
    except OSError as error:
        finding = say(_("Its name cannot be found: {detail}"), detail=str(error))
        remedy = say(_("Correct the name, or enter it in the domain name system."))
        found.add(Mark.FAILURE, url, finding, remedy)
        return found
    found.lines += _where(case, parts, addresses)
    if not any(ipaddress.ip_address(one).is_loopback for one in addresses):
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found.addresses = tuple((one, port) for one in addresses)
    mark, finding, more = _fetched(case, url, running=running)
    found.add(mark, url, finding, more)
    return found


def _resolved(parts: SplitResult) -> list[str]:
    assert parts.hostname
    found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))


def _where(case: Case, parts: SplitResult, addresses: list[str]) -> Iterator[Line]:
    """What a machine would find at these addresses, which are this computer's view of the name."""
    url, name = case.controller.public_url, parts.hostname or ""
    shown = ", ".join(addresses)
    if any(ipaddress.ip_address(one).is_loopback for one in addresses):
        if _is_here(urlsplit(case.cloud.endpoint_url or "").hostname):
            finding = say(_("Only this computer reaches it, and so does the cloud that is here."))
            yield Line("hub-url", Mark.WARNING, url, finding)
        elif _is_here(name):
            finding = say(
                _("It means the machine itself to every machine: none would reach the hub.")
            )
            remedy = say(_("Set c.Controller.public_url to the hub's name as others know it."))
            yield Line("hub-url", Mark.FAILURE, url, finding, remedy)
        else:
            finding = say(
                _("The name leads this computer to itself ({addresses}); machines may differ."),
                addresses=shown,
            )
            remedy = say(_("See that the domain name system has the hub's real address."))
            yield Line("hub-url", Mark.WARNING, url, finding, remedy)
    elif all(ipaddress.ip_address(one).is_private for one in addresses):
        finding = say(
            _("It leads to a private address ({addresses}): machines need a route to it."),
            addresses=shown,
        )
        remedy = say(
            _("Put the machines into the hub's network, or into one that is joined to it.")
        )
        yield Line("hub-url", Mark.WARNING, url, finding, remedy)


def _is_here(name: str | None) -> bool:
    """Whether a name or an address means the computer that uses it, wherever it is used."""
    if not name:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _fetched(case: Case, url: str, *, running: bool) -> tuple[Mark, Sentence, Sentence | None]:
    try:
        # As the agent does: the authority comes beside those that every machine trusts.
        context = ssl.create_default_context()
        if case.controller.ca_file:
            context.load_verify_locations(cafile=case.controller.ca_file)
    except OSError:  # the contradictions name it
        return (
            Mark.NOT_CHECKED,
            say(_("It was not tried, since c.Controller.ca_file is wrong.")),
            None,
        )
    reach = say(
        _("Start the hub; see that its proxy listens there and that no firewall is between.")
    )
    try:
        status = _status(url.rstrip("/") + "/" + _PATH, context)
    except HTTPError as error:
        error.close()
        return _other(say(_("The hub answers {code} there."), code=error.code), running=running)
    except URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            finding = say(_("Its certificate is not trusted: {detail}"), detail=str(error.reason))
            remedy = say(
                _(
                    "Renew the certificate, or set c.Controller.ca_file to the authority that signed it."
                )
            )
            return Mark.FAILURE, finding, remedy
        finding = say(
            _("It does not answer from this computer: {detail}"), detail=str(error.reason)
        )
        return Mark.FAILURE, finding, reach
    except (OSError, HTTPException) as error:
        finding = say(_("It does not answer from this computer: {detail}"), detail=str(error))
        return Mark.FAILURE, finding, reach
    except ValueError:
        return _other(say(_("Something else than the controller answers there.")), running=running)
    if status in _HEALTHY:
        finding = say(
            _("The controller answers there ({status}), from this computer."), status=status
        )
        return Mark.OK, finding, None
    if status == "standby":
        finding = say(
            _("A controller that stands by answers there, so no machine would be served.")
        )
        remedy = say(_("Let the proxy lead to the controller that holds the lock."))
        return Mark.FAILURE, finding, remedy
    return _other(say(_("Something else than the controller answers there.")), running=running)


def _other(finding: Sentence, *, running: bool) -> tuple[Mark, Sentence, Sentence | None]:
    """The hub is there and the controller is not: a mistake only if there is one that runs."""
    if running:
        remedy = say(
            _(
                "Call gpuspawner.configure(c) in this file, and restart the hub: the proxy has no way."
            )
        )
        return Mark.FAILURE, finding, remedy
    return Mark.WARNING, finding, say(_("Start the controller, and run the doctor again."))


def _status(url: str, context: ssl.SSLContext) -> str:
    """What `health` says. Raises ValueError when the answer is no JSON."""
    # Without the proxy that this computer may be told to use: machines are told of none.
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    with opener.open(url, timeout=SECONDS) as answer:
        said = json.loads(answer.read(_MOST_BYTES))
    return str(said["status"]) if isinstance(said, dict) and "status" in said else ""
