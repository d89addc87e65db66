"""What the page of a starting server shows: what was seen of this start, as the hub's events.

Every viewer gets the whole story from its beginning, so a reload shows what was there before. The
keys `stage`, `at`, `elapsed` and `usual` are ours, for our page; the hub passes them on.
"""

from __future__ import annotations

import functools
import html
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from gpuspawner.client import ControllerClient
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Desired, Stage
from gpuspawner.views import ClaimView, Progress

PERCENT = {
    Stage.CAPACITY: 10,
    Stage.MACHINE: 25,
    Stage.BOOT: 45,
    Stage.HOME: 65,
    Stage.SERVER: 80,
    Stage.READY: 95,
}
"""How full the bar is at each stage; the hub itself says 100."""

_LOOK_SECONDS = 10.0
_SLOW = 1.25
_MINUTES_FROM = 90


async def follow(
    client: ControllerClient, name: str, generation: int, language: str
) -> AsyncIterator[dict[str, Any]]:
    """The events of one start, the past ones at once and the others as they come.

    Ends when the server is up or the wish is no longer of this start. When it takes much longer
    than usual, says so once.
    """
    sent, greeted, slow = 0, False, False
    while True:
        view = client.mirror.claims.get(name)
        if view is None or view.generation != generation:
            return
        usual = usual_seconds(client, view)
        if not greeted:
            greeted = True
            yield _first(view, usual, language)
        for event in view.history[sent:]:
            yield _event(event, view.desired_at, usual, language)
        sent = len(view.history)
        if view.desired is not Desired.RUNNING or view.stage is Stage.READY:
            return
        changed = await client.wait_for(
            name, functools.partial(_changed, client, view), _LOOK_SECONDS
        )
        elapsed = _seconds(view.desired_at, client.clock.now())
        if not changed and usual and not slow and elapsed > usual * _SLOW:
            slow = True
            yield _note(_longer(usual), view, elapsed, usual, language)


def usual_seconds(client: ControllerClient, view: ClaimView) -> int | None:
    """What starts of this size usually take."""
    card = client.mirror.sizes.get(view.size or view.specification.sizes[0])
    return card.usual_start_seconds if card else None


def _changed(client: ControllerClient, view: ClaimView) -> bool:
    return client.mirror.claims.get(view.name) is not view


def _first(view: ClaimView, usual: int | None, language: str) -> dict[str, Any]:
    if usual is None:
        sentence = say(_("Your machine is being prepared. It can take a few minutes."))
    elif usual < _MINUTES_FROM:
        sentence = say(
            _("Your machine is being prepared. It usually takes about {seconds} s."), seconds=usual
        )
    else:
        sentence = say(
            _("Your machine is being prepared. It usually takes about {minutes} min."),
            minutes=round(usual / 60),
        )
    return _note(sentence, view, 0, usual, language) | {"progress": 5}


def _longer(usual: int) -> Sentence:
    if usual < _MINUTES_FROM:
        return say(
            _("It takes longer than the usual {seconds} s. It goes on; you may also cancel."),
            seconds=usual,
        )
    return say(
        _("It takes longer than the usual {minutes} min. It goes on; you may also cancel."),
        minutes=round(usual / 60),
    )


def _event(event: Progress, started: datetime, usual: int | None, language: str) -> dict[str, Any]:
    elapsed = _seconds(started, event.at)
    return {
        "progress": PERCENT[event.stage],
        "message": event.sentence.text(language),
        "html_message": event.sentence.html() + _clock(elapsed, event.at),
        "stage": event.stage.value,
        "at": event.at.isoformat(),
        "started": started.isoformat(),
        "elapsed": elapsed,
        "usual": usual,
    }


def _note(
    sentence: Sentence, view: ClaimView, elapsed: int, usual: int | None, language: str
) -> dict[str, Any]:
    return {
        "message": sentence.text(language),
        "html_message": sentence.html(),
        "started": view.desired_at.isoformat(),
        "elapsed": elapsed,
        "usual": usual,
    }


def _clock(elapsed: int, at: datetime) -> str:
    minutes, seconds = divmod(elapsed, 60)
    moment = html.escape(at.isoformat())
    return f' <time class="gs-elapsed" datetime="{moment}">{minutes}:{seconds:02d}</time>'


def _seconds(since: datetime, until: datetime) -> int:
    return max(0, int((until - since).total_seconds()))
