"""The configuration in itself: names, kinds of values, contradictions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gpuspawner import settings
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.language import Sentence, _, say
from gpuspawner.spawner import GPUSpawner
from gpuspawner.spawner_traits import SpawnerTraits

_CONTROLLERS = (
    settings.Controller,
    settings.AWS,
    settings.Azure,
    settings.Prices,
    settings.Agent,
    settings.Credit,
    settings.Idle,
    settings.Session,
)
_OURS = {**{kind.__name__: kind for kind in _CONTROLLERS}, "GPUSpawner": GPUSpawner}
_CLOSE = 0.7


def names(case: Case) -> Iterator[Line]:
    """A typing mistake is not silently a default."""
    found = list(_unknown_classes(case))
    for section, kind in _OURS.items():
        known = kind.class_trait_names(config=True)
        found += [
            _unknown(f"c.{section}.{name}", f"c.{section}.", name, known)
            for name in case.section(section)
            if name not in known
        ]
    yield from found
    if not found:
        yield Line("settings", Mark.OK, "c.*", say(_("Every setting of ours exists.")))


def _unknown_classes(case: Case) -> Iterator[Line]:
    for section in case.config:
        close = difflib.get_close_matches(section, [*_OURS, "JupyterHub", "Spawner"], 1, 0.85)
        if close and close != [section] and not section.endswith("Spawner"):
            yield _unknown(f"c.{section}", "c.", section, close)


def _unknown(subject: str, prefix: str, name: str, known: Iterable[str]) -> Line:
    close = difflib.get_close_matches(name, known, 1, _CLOSE)
    remedy = (
        say(_("Did you mean {name}?"), name=f"{prefix}{close[0]}")
        if close
        else say(_("Take it out; the documentation lists every setting."))
    )
    return Line("settings", Mark.FAILURE, subject, say(_("There is no such setting.")), remedy)


def values(case: Case) -> Iterator[Line]:
    """Each value that is not of its kind. The value itself is not shown: it may be a secret."""
    bad = case.bad_values()
    for kind in (*_CONTROLLERS, SpawnerTraits):
        traits = kind.class_traits(config=True)
        section = "GPUSpawner" if kind is SpawnerTraits else kind.__name__
        for name in bad.get(kind.__name__, ()):
            finding = say(_("It must be {kind}."), kind=traits[name].info())
            remedy = say(_("Correct it in the configuration file."))
            yield Line("values", Mark.FAILURE, f"c.{section}.{name}", finding, remedy)
    if not bad:
        yield Line("values", Mark.OK, "c.*", say(_("Every value is of its kind.")))


def contradictions(case: Case) -> Iterator[Line]:
    """What the controller would refuse, what is refused later, and what cannot go together."""
    bad = case.bad_values()
    wrong = {f"c.{kind}.{name}" for kind, names in bad.items() for name in names}
    remedy = say(_("Correct it in the configuration file."))
    found = [
        Line("contradictions", Mark.FAILURE, one.setting, one.sentence, remedy)
        for one in (
            *case.controller.mistakes(),
            *case.cloud.mistakes(),
            *case.prices.mistakes(),
            *case.agent.mistakes(),
            *case.credit.mistakes(),
            *case.idle.mistakes(),
            *case.session.mistakes(),
        )
        if one.setting not in wrong  # said already, and its default stands in for it here
    ]
    found += [
        Line("contradictions", Mark.FAILURE, subject, finding, more)
        for subject, finding, more in _between(case)
    ]
    yield from found
    if not found:
        finding = say(_("Nothing contradicts anything else."))
        yield Line("contradictions", Mark.OK, "c.*", finding)


def _between(case: Case) -> Iterator[tuple[str, Sentence, Sentence]]:
    """What one side says and the other contradicts."""
    controller, spawner = case.controller, case.spawner
    there, here = urlsplit(spawner.controller_url), urlsplit(controller.bind_url)
    if there.hostname == here.hostname and there.port != here.port:
        finding = say(
            _("The hub asks the controller at {there}, and the controller listens at {here}."),
            there=spawner.controller_url,
            here=controller.bind_url,
        )
        remedy = say(_("Set both with gpuspawner.configure(c, controller_url=…)."))
        yield "c.GPUSpawner.controller_url", finding, remedy
    folder = case.path.resolve().parent
    if folder / spawner.secret_file != case.secret_file:
        finding = say(_("The hub and the controller have two different secret files."))
        remedy = say(_("Set both with gpuspawner.configure(c, secret_file=…)."))
        yield "c.GPUSpawner.secret_file", finding, remedy
    if controller.ca_file:
        try:
            text = Path(controller.ca_file).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            text = ""
        if "-----BEGIN CERTIFICATE-----" not in text:
            finding = say(_("It is not a certificate in PEM that can be read."))
            remedy = say(
                _("Set it to the file of the authority that signed the hub's certificate.")
            )
            yield "c.Controller.ca_file", finding, remedy
