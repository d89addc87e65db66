"""`c.Session`: when a session ends in any case, and how a student puts that off."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

from traitlets import Float, Integer, Unicode
from traitlets.config import Configurable

from gpuspawner.language import _, say
from gpuspawner.policy.session import SessionLimits
from gpuspawner.settings.mistakes import Mistake, refuse


class Session(Configurable):
    """When a session ends in any case, from one start to the next stop."""

    longest = Float(
        43200.0,
        help="Seconds after which a session is saved and stopped, whatever goes on in it. Default: 43200, 12 hours. "
        "It bounds what one machine can waste; shorter interrupts long days. A student who asked the machine to "
        "go on until the work is done is spared while it works.",
    ).tag(config=True)

    longest_with_work = Float(
        86400.0,
        help="Seconds after which a session is saved and stopped although its GPU or processor still works. Default: "
        "86400, 24 hours. Between `longest` and this, only what works goes on. Shorter kills trainings that were begun "
        "late in a long day; longer lets a machine that lies about its work cost that much.",
    ).tag(config=True)

    nightly_stop = Unicode(
        "",
        help="The time of day, such as 03:00, at which every machine is saved and stopped, in the "
        "time zone of `c.Credit.timezone`. Default: empty, never. "
        "It is simple and certain, and it kills every training that runs at night.",
    ).tag(config=True)

    warning = Float(
        1800.0,
        help="Seconds before such a stop at which the student is warned. Default: 1800. Longer is kinder to people who "
        "have something running; it does not cost anything.",
    ).tag(config=True)

    extension = Float(
        1800.0,
        help="Seconds that one click on “Keep running” gives. Default: 1800. They are paid from the student's credit "
        "like any others; longer means that a machine which is then forgotten costs that much more.",
    ).tag(config=True)

    extensions_per_day = Integer(
        3,
        help="How many such clicks a student has each day. Default: 3. 0 allows none; whoever works in the machine "
        "needs none, except against the longest session.",
    ).tag(config=True)

    lease = Float(
        43200.0,
        help="Seconds for which a student may have a machine go on while its GPU or processor works, with nobody there "
        "and beyond `longest`. Default: 43200, 12 hours. 0 does not allow it, which kills the longest trainings; "
        "longer pays for runaway work.",
    ).tag(config=True)

    def record(self, zone: tzinfo) -> SessionLimits:
        """The settings, checked. `zone` is the class's own, `c.Credit.timezone`.

        Raises:
            ConfigurationError: a setting is impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        return SessionLimits(
            longest=timedelta(seconds=self.longest),
            longest_with_work=timedelta(seconds=self.longest_with_work),
            nightly=_time(self.nightly_stop),
            zone=zone,
            warning=timedelta(seconds=self.warning),
            extension=timedelta(seconds=self.extension),
            extensions_per_day=self.extensions_per_day,
            lease=timedelta(seconds=self.lease),
        )

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = [
            _mistake(name, _("{setting} must not be negative"))
            for name in ("warning", "extension", "extensions_per_day", "lease")
            if not getattr(self, name) >= 0
        ]
        if not self.longest > self.warning:
            message = _("{setting} must be longer than c.Session.warning, which is a part of it")
            found.append(_mistake("longest", message))
        if not self.longest_with_work >= self.longest:
            message = _("{setting} must not be shorter than c.Session.longest")
            found.append(_mistake("longest_with_work", message))
        if self.nightly_stop and _time(self.nightly_stop) is None:
            message = _("{setting} must be a time of day such as 03:00; it is “{value}”")
            found.append(_mistake("nightly_stop", message, self.nightly_stop))
        return found


def _mistake(name: str, message: str, value: str = "") -> Mistake:
    setting = f"c.Session.{name}"
    if "{value}" in message:
        return Mistake(setting, say(message, setting=setting, value=value))
    return Mistake(setting, say(message, setting=setting))


def _time(text: str) -> time | None:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError:
        return None
