"""`c.Idle`: when a machine that nobody uses is stopped."""

from __future__ import annotations

from datetime import timedelta

from traitlets import Bool, Float, List, Unicode
from traitlets.config import Configurable

from gpuspawner.language import _, say
from gpuspawner.policy import timetable
from gpuspawner.policy.session import IdleLimits
from gpuspawner.settings.mistakes import Mistake, refuse


class Idle(Configurable):
    """When a machine that nobody uses is stopped. `gpuspawner simulate` shows what a change does."""

    enforce = Bool(
        True,
        help="Whether machines that nobody uses are stopped. Default: True. With False everything is looked at and "
        "shown all the same, also the warnings, and only the longest session and the nightly stop end one: for a "
        "class that wants to see first whom it would hit, or that keeps jupyterhub-idle-culler.",
    ).tag(config=True)

    with_tab_timeout = Float(
        1800.0,
        help="Seconds without anybody's doing after which a machine is stopped while its page is open in a browser. "
        "Default: 1800. An open page is not use: running a cell, typing, saving is. Shorter costs less and "
        "interrupts more people who read or think.",
    ).tag(config=True)

    without_tab_timeout = Float(
        900.0,
        help="The same in seconds while no page of it is open. Default: 900. Shorter costs less; longer forgives "
        "somebody who closes the laptop and comes back.",
    ).tag(config=True)

    tab_grace = Float(
        180.0,
        help="Seconds after the last page was closed from which `without_tab_timeout` counts. Default: 180. It covers "
        "a reload and a lost network; longer costs as much more after each session.",
    ).tag(config=True)

    in_class_timeout = Float(
        2700.0,
        help="Seconds without anybody's doing during a class (`class_hours`), while the page is open. Default: 2700. "
        "Longer than `with_tab_timeout`, because students listen; it costs a class that many minutes at most.",
    ).tag(config=True)

    class_hours = List(
        Unicode(),
        help='When there is class each week, such as `["Tuesday 14:00-15:50", "Thursday 14:00-15:50"]`, in the '
        "time zone of `c.Credit.timezone`. Default: none. In these hours `in_class_timeout` holds, so that nobody who "
        "listens is stopped; a machine that is forgotten in class costs that much longer.",
    ).tag(config=True)

    no_show_timeout = Float(
        900.0,
        help="Seconds for which a machine that is up waits to be opened. Default: 900. Shorter wastes less when a "
        "class is started for those who do not come, longer waits for those who are late.",
    ).tag(config=True)

    attended_work = Float(
        1800.0,
        help="Seconds for which work counts as being watched after somebody last did something. Default: 1800. "
        "Longer interrupts fewer who wait for a cell, and costs that much more after a training.",
    ).tag(config=True)

    work_done_timeout = Float(
        780.0,
        help="Seconds from the end of unattended work to the stop, with the warning. Default: 780. Shorter costs less "
        "after every training, longer spares trainings that pause, as when they load data.",
    ).tag(config=True)

    gpu_cap = Float(
        43200.0,
        help="Seconds for which GPU work with nobody there keeps a machine on. Default: 43200, 12 hours. Shorter ends "
        "runaway work sooner and kills long trainings; students can ask for more with one click.",
    ).tag(config=True)

    processor_cap = Float(
        5400.0,
        help="Seconds for which work of the processor alone keeps a machine on, from when somebody or the GPU last did "
        "something. Default: 5400. Shorter kills trainings that prepare data for long, longer pays for endless loops.",
    ).tag(config=True)

    kernel_cap = Float(
        1200.0,
        help="Seconds for which a kernel that says it is busy, while neither GPU nor processor works, keeps a machine "
        "on. Default: 1200. A cell that waits for input looks like this for ever; longer pays for it.",
    ).tag(config=True)

    gpu_floor = Float(
        1.0,
        help="The mean GPU utilisation over 5 minutes, in percent, from which it is work. Default: 1. Higher kills "
        "trainings that feed the GPU slowly: with 5 a few of a hundred. Held GPU memory is never work.",
    ).tag(config=True)

    processor_floor = Float(
        25.0,
        help="The mean use of the processor over 5 minutes, in percent of one core, from which it is work. Default: 25. "
        "Lower takes Jupyter's own housekeeping for work, higher overlooks slow work.",
    ).tag(config=True)

    unknown_timeout = Float(
        1800.0,
        help="Seconds for which a signal that is lost counts as activity. Default: 1800. Shorter may stop a working "
        "machine whose reports are late, longer pays for a machine that is broken.",
    ).tag(config=True)

    lease_window = Float(
        900.0,
        help="Seconds without GPU or processor work after which a machine that was asked to go on until its work is "
        "done counts as done. Default: 900. Shorter costs less, longer spares trainings that pause.",
    ).tag(config=True)

    warning = Float(
        300.0,
        help="Seconds before a stop for idleness at which the student is warned. Default: 300. Doing anything, or one "
        "click, cancels it. Shorter surprises more people; it must fit into every timeout here.",
    ).tag(config=True)

    minimum_uptime = Float(
        600.0,
        help="Seconds from its start before which no machine is stopped for idleness. Default: 600. What the cloud "
        "charges for at least with every start is honoured in any case. Longer wastes more after a start in error.",
    ).tag(config=True)

    def record(self) -> IdleLimits:
        """The settings, checked.

        Raises:
            ConfigurationError: a setting is impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        return IdleLimits(
            enforce=self.enforce,
            with_tab=timedelta(seconds=self.with_tab_timeout),
            without_tab=timedelta(seconds=self.without_tab_timeout),
            tab_grace=timedelta(seconds=self.tab_grace),
            in_class=timedelta(seconds=self.in_class_timeout),
            no_show=timedelta(seconds=self.no_show_timeout),
            attended=timedelta(seconds=self.attended_work),
            work_done=timedelta(seconds=self.work_done_timeout),
            gpu=timedelta(seconds=self.gpu_cap),
            processor=timedelta(seconds=self.processor_cap),
            kernel=timedelta(seconds=self.kernel_cap),
            unknown=timedelta(seconds=self.unknown_timeout),
            lease_window=timedelta(seconds=self.lease_window),
            warning=timedelta(seconds=self.warning),
            minimum=timedelta(seconds=self.minimum_uptime),
            gpu_floor=self.gpu_floor,
            processor_floor=self.processor_floor,
            classes=tuple(timetable.parse(text) for text in self.class_hours),
        )

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = [
            _mistake(name, _("{setting} must not be negative"))
            for name in _NOT_NEGATIVE
            if not getattr(self, name) >= 0
        ]
        found += [
            _mistake(name, _("{setting} must be longer than c.Idle.warning, which is a part of it"))
            for name in _TIMEOUTS
            if not getattr(self, name) > self.warning
        ]
        found += [
            _mistake(name, _("{setting} must be more than 0 percent, or idling is work"))
            for name in ("gpu_floor", "processor_floor")
            if not getattr(self, name) > 0
        ]
        found += [
            Mistake("c.Idle.class_hours", say(_NO_CLASS, setting="c.Idle.class_hours", value=text))
            for text in self.class_hours
            if not _is_class(text)
        ]
        if self.without_tab_timeout > self.with_tab_timeout:
            message = _(
                "{setting} is longer than c.Idle.with_tab_timeout: closing the page would keep a machine on"
            )
            found.append(_mistake("without_tab_timeout", message))
        if self.in_class_timeout < self.with_tab_timeout:
            message = _(
                "{setting} is shorter than c.Idle.with_tab_timeout, so it would have no effect"
            )
            found.append(_mistake("in_class_timeout", message))
        return found


_TIMEOUTS = (
    "with_tab_timeout",
    "without_tab_timeout",
    "in_class_timeout",
    "no_show_timeout",
    "work_done_timeout",
    "lease_window",
)
_NOT_NEGATIVE = (
    "tab_grace",
    "attended_work",
    "gpu_cap",
    "processor_cap",
    "kernel_cap",
    "unknown_timeout",
    "warning",
    "minimum_uptime",
)


_NO_CLASS = _("{setting} must name a day and hours such as “Tuesday 14:00-15:50”; it has “{value}”")


def _is_class(text: str) -> bool:
    try:
        timetable.parse(text)
    except ValueError:
        return False
    return True


def _mistake(name: str, message: str) -> Mistake:
    setting = f"c.Idle.{name}"
    return Mistake(setting, say(message, setting=setting))
