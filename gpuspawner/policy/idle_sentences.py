"""What the rule about idle machines says to people: while one runs, in a warning, and afterwards.

The rule is asked often and says the same few things, so each sentence is made once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta

from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Reason


def minutes(length: timedelta) -> int:
    """A length of time as people say it, at least 1."""
    return max(1, round(length.total_seconds() / 60))


def hours(length: timedelta) -> str:
    """A length of time in hours, with as few digits as it needs."""
    return f"{round(length.total_seconds() / 3600, 1):g}"


# While it runs.


@functools.cache
def starting() -> Sentence:
    """The server is not up yet."""
    return say(_("It is starting."))


@functools.cache
def held() -> Sentence:
    """An admin's hold."""
    return say(_("An administrator keeps it running."))


@functools.cache
def just_started() -> Sentence:
    """Within the least time of every start."""
    return say(_("It has just been started, and this time is paid for anyway."))


@functools.cache
def just_opened() -> Sentence:
    """Within the time that every session has to be opened."""
    return say(_("It has been up for a few minutes only."))


@functools.cache
def used(limit: int) -> Sentence:
    """Somebody was there; `limit` in minutes."""
    return say(_("It was used within the last {minutes} minutes."), minutes=limit)


@functools.cache
def no_show_yet() -> Sentence:
    """Nobody came yet."""
    return say(_("It waits for somebody to open it."))


@functools.cache
def unseen() -> Sentence:
    """Signals are lost."""
    return say(
        _(
            "What goes on in it cannot be seen at the moment, so it is taken to be in use for a while."
        )
    )


@functools.cache
def gpu_works() -> Sentence:
    """The GPU computes."""
    return say(_("Its GPU is working, or was until a few minutes ago."))


@functools.cache
def processor_works() -> Sentence:
    """The processor computes."""
    return say(_("Its processor is working, or was until a few minutes ago."))


@functools.cache
def kernel_works() -> Sentence:
    """A kernel is busy and nothing else is."""
    return say(_("A cell is running, or was until a few minutes ago."))


@functools.cache
def lease() -> Sentence:
    """The student asked for it."""
    return say(_("You asked it to go on while it works."))


@functools.cache
def more_time() -> Sentence:
    """The student asked for it."""
    return say(_("You asked for more time."))


# In a warning. What to do about it is part of each.

AHEAD: Mapping[Reason, Sentence] = {
    Reason.IDLE: say(
        _("Nobody is using it, so it will be saved and stopped. To go on, run a cell or press “Keep running”.")
    ),
    Reason.NO_SHOW: say(
        _("Nobody has opened it yet, so it will be stopped. To keep it, open it.")
    ),
    Reason.WORK_DONE: say(
        _("The work in it is done and nobody is there, so it will be saved and stopped. To go on, run a cell or press “Keep running”.")
    ),
    Reason.UNATTENDED: say(
        _("It has worked for as long as it may with nobody there, so it will be saved and stopped. To go on, press “Keep running”.")
    ),
}  # fmt: skip


@functools.cache
def longest_ahead(limit: str) -> Sentence:
    """The longest session; `limit` in hours."""
    return say(
        _(
            "One session lasts {hours} hours at most, so it will be saved and stopped. "
            "Save what you need; you can start it again at once."
        ),
        hours=limit,
    )


@functools.cache
def night_ahead() -> Sentence:
    """The nightly stop."""
    return say(_("All machines are stopped for the night. Save what you need."))


# Afterwards.


@functools.cache
def idle(limit: int) -> Sentence:
    """Nobody used it; `limit` in minutes."""
    return say(
        _(
            "Nobody had used it for {minutes} minutes, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        ),
        minutes=limit,
    )


@functools.cache
def idle_short() -> Sentence:
    """Nobody used it, and how long is not the point."""
    return say(
        _(
            "Nobody was using it, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        )
    )


@functools.cache
def no_show(limit: int) -> Sentence:
    """Nobody came; `limit` in minutes."""
    return say(
        _(
            "It was started and nobody opened it for {minutes} minutes, so it was stopped. "
            "Start it again when you like."
        ),
        minutes=limit,
    )


@functools.cache
def work_done() -> Sentence:
    """The work had ended."""
    return say(
        _(
            "The work in it had ended and nobody was there, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        )
    )


@functools.cache
def unattended(limit: timedelta) -> Sentence:
    """It worked on for too long."""
    if limit < timedelta(hours=2):
        return say(
            _(
                "It had been busy for {minutes} minutes with no sign that somebody wants it, the longest "
                "that is allowed, so it was saved and stopped. Your files are kept; start it again when you like."
            ),
            minutes=minutes(limit),
        )
    return say(
        _(
            "It had worked for {hours} hours with nobody there, the longest that is allowed, so it was "
            "saved and stopped. For longer work, press “Go on until my work is done”."
        ),
        hours=hours(limit),
    )


@functools.cache
def longest(limit: str) -> Sentence:
    """The longest session; `limit` in hours."""
    return say(
        _(
            "One session lasts {hours} hours at most, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        ),
        hours=limit,
    )


@functools.cache
def night() -> Sentence:
    """The nightly stop."""
    return say(
        _(
            "All machines are stopped for the night, so it was saved and stopped. "
            "Your files are kept; start it again when you like."
        )
    )


# The answer to a click.


@functools.cache
def extended(length: int) -> Sentence:
    """It goes on; `length` in minutes."""
    return say(_("It goes on for {minutes} more minutes."), minutes=length)


@functools.cache
def stopping() -> Sentence:
    """The student has had enough."""
    return say(_("Your work is saved and the machine is stopped."))


@functools.cache
def no_more_extensions(most: int) -> Sentence:
    """Enough for today."""
    return say(
        _(
            "You have had more time {count} times today, which is the most. "
            "As long as you work in it, it is not stopped for being idle."
        ),
        count=most,
    )


@functools.cache
def leased(length: str) -> Sentence:
    """It goes on while it works; `length` in hours."""
    return say(_("It goes on while it works, for {hours} hours at most."), hours=length)


@functools.cache
def no_lease() -> Sentence:
    """An admin has switched it off."""
    return say(_("Your administrator does not allow machines to go on with nobody there."))
