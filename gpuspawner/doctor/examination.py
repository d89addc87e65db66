"""Runs every check, each on its own: one that fails in itself is a line, and hides no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from gpuspawner import identity, settings
from gpuspawner.doctor import (
    class_checks,
    cloud_checks,
    credit_checks,
    hub_checks,
    hub_file_checks,
    settings_checks,
    url_checks,
)
from gpuspawner.doctor.case import Case
from gpuspawner.doctor.checks import CHECKS
from gpuspawner.doctor.lines import Line, Mark, Report
from gpuspawner.errors import ConfigurationError
from gpuspawner.language import _, say
from gpuspawner.store.look import Seen

_log = logging.getLogger(__name__)

BEYOND = (
    (
        "image-contents",
        say(
            _("Whether the image has the agent, JupyterLab and the driver: only a start shows it.")
        ),
    ),
    (
        "route",
        say(_("Route tables and NAT gateways: the controller has no permission to look at them.")),
    ),
    ("capacity", say(_("Whether the cloud has machines free when the class begins."))),
    ("login", say(_("Whether students can log in: the login is the hub's own."))),
)


class Examination:
    """One look at everything."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._lines: list[Line] = []
        self._looked: list[Seen] = []
        self._running = False
        self._addresses: tuple[tuple[str, int], ...] = ()

    def run(self) -> list[Line]:
        """All lines, in the order of the checks."""
        case = self._case
        finding = say(_("It can be read."))
        self._lines.append(Line("file", Mark.OK, str(case.path), finding))
        self._try("settings", lambda: settings_checks.names(case))
        self._try("values", lambda: settings_checks.values(case))
        self._try("contradictions", lambda: settings_checks.contradictions(case))
        self._try("hub-settings", lambda: hub_checks.hub_settings(case))
        self._try("profiles", lambda: class_checks.profiles(case))
        self._try("roster", lambda: class_checks.roster(case))
        self._try("credit", lambda: [credit_checks.credit(case)])
        self._try("secret", lambda: [hub_file_checks.secret(case)])
        self._try("database", lambda: hub_file_checks.database(case, self._looked))
        # These need what the database remembers.
        self._try("prices", lambda: class_checks.prices(case, self._seen))
        self._try("start-timeout", lambda: [class_checks.start_timeout(case, self._usual)])
        self._try("lock", self._lock)
        self._try("disk", lambda: [hub_file_checks.disk(case)])
        self._try("hub-url", self._hub_url)
        self._try("account", lambda: asyncio.run(cloud_checks.cloud(case, self._addresses)))
        self._lines += [Line("beyond", Mark.NOT_CHECKED, *one) for one in BEYOND]
        order = list(CHECKS)
        return sorted(self._lines, key=lambda line: order.index(line.check))

    @property
    def _seen(self) -> Seen | None:
        return self._looked[0] if self._looked else None

    @property
    def _usual(self) -> Mapping[str, float]:
        return self._seen.usual if self._seen else {}

    def _lock(self) -> Iterable[Line]:
        line, self._running = hub_file_checks.lock(self._case)
        return [line]

    def _hub_url(self) -> Iterable[Line]:
        found = url_checks.hub_url(self._case, running=self._running)
        self._addresses = found.addresses
        return found.lines

    def _try(self, check: str, look: Callable[[], Iterable[Line]]) -> None:
        try:
            self._lines += list(look())
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
            finding = say(
                _("It could not be looked at: {detail}"), detail=f"{type(error).__name__}: {error}"
            )
            remedy = say(_("Mend what is named; if nothing else is, this is a mistake of ours."))
            self._lines.append(Line(check, Mark.FAILURE, check, finding, remedy))


def examine(path: Path, now: datetime, students: int | None = None) -> Report:
    """Look at everything that a class needs. Never raises.

    Args:
        path: the hub's configuration file.
        now: the time.
        students: how many there are; None: those whom the configuration names, if it does.
    """
    for noisy in ("botocore", "boto3", "urllib3", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with identity.only_looking():
        try:
            config = settings.load(path)
        except (ConfigurationError, SystemExit) as error:
            return _unreadable(path, now, students, error)
    case = Case(path, config, now, students)
    lines = Examination(case).run()
    who = case.identity.hub_id if case.identity else None
    try:
        count = class_checks.students_of(case)
    except Exception:  # noqa: BLE001 - its line says so
        count = students
    return Report(path, now, count, who, lines)


def _unreadable(path: Path, now: datetime, students: int | None, error: BaseException) -> Report:
    detail = error.detail if isinstance(error, ConfigurationError) else f"SystemExit: {error}"
    finding = say(_("It cannot be read, so nothing was looked at: {detail}"), detail=detail)
    remedy = say(_("Correct the file, or name another one with --config."))
    line = Line("file", Mark.FAILURE, str(path), finding, remedy)
    return Report(path, now, students, None, [line], readable=False)
