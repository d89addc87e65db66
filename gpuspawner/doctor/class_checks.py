"""What the students may pick, how many they are, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from gpuspawner.doctor.case import Case
from gpuspawner.doctor.choices import allowed_users
from gpuspawner.doctor.lines import Line, Mark
from gpuspawner.errors import ConfigurationError
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Specification
from gpuspawner.policy.money import DAY, moment_of, seconds_of
from gpuspawner.profiles import load
from gpuspawner.providers import catalog
from gpuspawner.store.look import Seen

STALE_DAYS = 180
"""So old may the shipped prices be; clouds change theirs a few times a year."""

READ_DAYS = 14
"""So long ago may the cloud's price list have been read."""

_SETTING = "c.Prices.cost"

USUAL_SECONDS = 300.0
"""What a first start is given at least, as long as none was measured."""


def profiles(case: Case) -> Iterator[Line]:
    """The form of the list, then what each machine of it asks for."""
    subject = "c.GPUSpawner.profile_list"
    if "profile_list" in case.bad_values().get("SpawnerTraits", ()):
        return  # said already
    if callable(case.spawner.profile_list):
        finding = say(_("A function makes it for each student, so it was not looked at."))
        yield Line("profiles", Mark.NOT_CHECKED, subject, finding)
        return
    try:
        load(case.spawner.profile_list)
    except ConfigurationError as error:
        finding = say(_("It has a mistake: {detail}"), detail=error.detail)
        remedy = say(_("Correct it in the configuration file; nothing can be started until then."))
        yield Line("profiles", Mark.FAILURE, subject, finding, remedy)
        return
    found = [line for _profile, one in case.specifications for line in _asks(case, one)]
    yield from dict.fromkeys(found)
    if not found:
        finding = say(_("Machines to choose from: {count}."), count=len(case.profiles or ()))
        yield Line("profiles", Mark.OK, subject, finding)


def _asks(case: Case, one: Specification) -> Iterator[Line]:
    sizes = case.cloud.sizes
    strange = [size for size in one.sizes if size not in sizes]
    subject = f"profile {one.profile}"
    if strange:
        none = len(strange) == len(one.sizes)
        message = (
            _("None of its sizes may be used, so it never starts: {sizes}.")
            if none
            else _("Some of its sizes may not be used: {sizes}.")
        )
        remedy = say(
            _("Add them to {setting}, or take them out of the profile."),
            setting="c.Azure.sizes" if case.on_azure else "c.AWS.sizes",
        )
        mark = Mark.FAILURE if none else Mark.WARNING
        yield Line("profiles", mark, subject, say(message, sizes=", ".join(strange)), remedy)
    for asked, most, setting in (
        (one.home_gib, case.controller.max_home_gib, "c.Controller.max_home_gib"),
        (one.disk_gib, case.controller.max_disk_gib, "c.Controller.max_disk_gib"),
    ):
        if asked > most:
            finding = say(
                _("It asks for {asked} GiB, and {setting} allows {most} GiB: it is refused."),
                asked=asked,
                most=most,
                setting=setting,
            )
            remedy = say(_("Make one of the two fit the other."))
            yield Line("profiles", Mark.FAILURE, subject, finding, remedy)


def students_of(case: Case) -> int | None:
    """How many students there are: as told, else those whom the login names."""
    if case.students is not None:
        return case.students
    users = allowed_users(case.config, case.value)
    return len(users) if users else None


def roster(case: Case) -> Iterator[Line]:
    """How many students, and whether the hub lets them start all at once."""
    count = students_of(case)
    if count is None:
        finding = say(
            _("How many students there are was not said, and the file does not name them.")
        )
        remedy = say(_("Say it with --students, so that quota and network are looked at for all."))
        yield Line("roster", Mark.NOT_CHECKED, "--students", finding, remedy)
        return
    limit = case.value("JupyterHub", "concurrent_spawn_limit", 100)
    if 0 < limit < count:
        finding = say(
            _("Only {limit} of {count} students may start at once; the others are turned away."),
            limit=limit,
            count=count,
        )
        remedy = say(_("Set it to {count} or more, or to 0 for no limit."), count=count)
        subject = "c.JupyterHub.concurrent_spawn_limit"
        yield Line("roster", Mark.FAILURE, subject, finding, remedy)
        return
    finding = say(_("Students who may start at once: {count}."), count=count)
    yield Line("roster", Mark.OK, "--students", finding)


def start_timeout(case: Case, usual: Mapping[str, float]) -> Line:
    """`usual` is the median of recent starts in seconds, by size; empty while there are none."""
    subject, given = "c.GPUSpawner.start_timeout", case.spawner.start_timeout
    remedy = say(_("Set it to 900 seconds or more."))
    if usual:
        slowest = max(usual, key=lambda size: usual[size])
        seconds = round(usual[slowest])
        figures: dict[str, str | int] = {"given": given, "size": slowest, "seconds": seconds}
        message = _("A start of {size} usually takes {seconds} s, and is given {given} s.")
        if given <= seconds:
            return _timeout(Mark.FAILURE, subject, say(message, **figures), remedy)
        if given < 2 * seconds:
            return _timeout(Mark.WARNING, subject, say(message, **figures), remedy)
        return _timeout(Mark.OK, subject, say(message, **figures), None)
    finding = say(
        _("A start is given {given} s; how long one takes here is not known yet."), given=given
    )
    short = given < USUAL_SECONDS
    return _timeout(Mark.WARNING if short else Mark.OK, subject, finding, remedy if short else None)


def _timeout(mark: Mark, subject: str, finding: Sentence, remedy: Sentence | None) -> Line:
    return Line("start-timeout", mark, subject, finding, remedy)


def prices(case: Case, seen: Seen | None = None) -> Iterator[Line]:
    """A size without a price is not offered; an old price is charged as it stands.

    What `seen` says is in the books counts as long as the price list is read now and then.
    """
    own, region = case.prices.cost, case.region
    if seen is not None and seen.prices_read is not None:
        booked = [size for size in case.cloud.sizes if (region, size) in seen.priced]
        if booked and {*booked, *own} >= {*case.cloud.sizes}:
            yield _read(seen.prices_read, case.now, booked)
            return
    listed = catalog.machines(case.controller.provider, region)
    shipped: Sequence[str] = [size for size in case.cloud.sizes if size not in own]
    unknown = [size for size in shipped if size not in listed]
    for size in unknown:
        finding = say(_("Its price in {region} is not known, so it is not offered."), region=region)
        remedy = say(_("Set c.Prices.{setting}[{size}]."), setting="cost", size=repr(size))
        yield Line("prices", Mark.FAILURE, size, finding, remedy)
    used = [size for size in shipped if size not in unknown]
    if not used:
        if not unknown:
            finding = say(_("The prices are those of the configuration file."))
            yield Line("prices", Mark.OK, _SETTING, finding)
        return
    yield _age(min(listed[size].as_of for size in used), case.now, used)


def _read(at: int, now: datetime, sizes: Sequence[str]) -> Line:
    days = (seconds_of(now) - at) // DAY
    finding = say(
        _(
            "The prices of {sizes} are in the books; the cloud's price list was read on {date}, "
            "{days} days ago."
        ),
        sizes=", ".join(sizes),
        date=moment_of(at).date().isoformat(),
        days=days,
    )
    if days <= READ_DAYS:
        return Line("prices", Mark.OK, "prices", finding)
    remedy = say(
        _(
            "See what 'gpuspawner status' says of the price list, or compare the prices with the "
            "cloud's page."
        )
    )
    return Line("prices", Mark.WARNING, "prices", finding, remedy)


def _age(as_of: int, now: datetime, used: Sequence[str]) -> Line:
    days = (seconds_of(now) - as_of) // DAY
    finding = say(
        _("The prices of {sizes} are of {date}, {days} days old."),
        sizes=", ".join(used),
        date=moment_of(as_of).date().isoformat(),
        days=days,
    )
    if days <= STALE_DAYS:
        return Line("prices", Mark.OK, _SETTING, finding)
    remedy = say(
        _("Compare them with the cloud's price page, and set c.Prices.cost where they differ.")
    )
    return Line("prices", Mark.WARNING, _SETTING, finding, remedy)
