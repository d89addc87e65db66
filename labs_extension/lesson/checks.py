"""A check in a notebook: says what holds, and stops the notebook where it does not."""

from __future__ import annotations

import sys

from labs_extension.lesson.words import words


class NotYet(AssertionError):
    """A check of the notebook does not hold; the text is the check's own."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the sentence. The way through our code helps nobody."""
        return [str(self)]


def check(holds: object, *, en: str, ko: str) -> None:
    """Print the text with a tick when `holds` is true.

    Args:
        holds: what is claimed; anything that is true or false.
        en: the claim in English, as a sentence.
        ko: the same in Korean.

    Raises:
        NotYet: it does not hold; the cells after this one do not run.
    """
    text = words(en=en, ko=ko)
    if not holds:
        raise NotYet(f"✗ {words(en='Not yet:', ko='아직이에요:')} {text}")
    sys.stdout.write(f"✓ {text}\n")
