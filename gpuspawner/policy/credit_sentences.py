"""What people are told about their credit while a machine runs: one function a sentence."""

from __future__ import annotations

from gpuspawner.language import Sentence, _, say


def credit_near(seconds: int) -> Sentence:
    """A student's credit ends soon."""
    return say(
        _(
            "Your credit lasts about {minutes} min more. Save your work; the machine is then saved and stopped. "
            "Ask your teacher if you need more."
        ),
        minutes=_minutes(seconds),
    )


def grace(seconds: int) -> Sentence:
    """The pool pays for a while."""
    return say(
        _(
            "Your credit has ended. The class pays for about {minutes} min more, so that you can finish: "
            "save your work now. Ask your teacher if you need more credit."
        ),
        minutes=_minutes(seconds),
    )


def limit_near(seconds: int) -> Sentence:
    """A limit per day is reached soon."""
    return say(
        _(
            "The limit for today is reached in about {minutes} min. Save your work; the machine is then saved "
            "and stopped. Ask your teacher if you need more today."
        ),
        minutes=_minutes(seconds),
    )


def credit_ended() -> Sentence:
    """Why the machine was stopped: its student's credit has ended."""
    return say(
        _(
            "Your credit has ended, so your work was saved and the machine stopped. Your files are kept. "
            "Ask your teacher for more credit to go on."
        )
    )


def limit_reached() -> Sentence:
    """Why the machine was stopped: a limit per day is reached."""
    return say(
        _(
            "The limit for today is reached, so your work was saved and the machine stopped. "
            "Your files are kept. Start it again tomorrow, or ask your teacher."
        )
    )


def _minutes(seconds: int) -> int:
    return -(-seconds // 60)
