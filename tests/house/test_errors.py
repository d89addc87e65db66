"""Every error says one thing to people, with the remedy, under a code that never changes."""

from __future__ import annotations

import re

import pytest

from gpuspawner.errors import GpuspawnerError
from tests.house import sources

sources.modules()
ERRORS = [
    kind
    for kind in (GpuspawnerError, *sources.subclasses(GpuspawnerError))
    if kind.__module__.startswith("gpuspawner.")
]

REMEDY = re.compile(
    r"\b(ask|try|start|stop|pick|tell|look|go back|administrator|by itself|keep trying|wait|log in|choose)\b",
    re.IGNORECASE,
)  # fmt: skip


def test_no_two_classes_share_a_code():
    codes = [kind.code for kind in ERRORS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
class TestAnError:
    def test_has_a_code_of_its_own(self, kind):
        assert "code" in vars(kind)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)

    def test_says_a_whole_sentence(self, kind):
        text = kind.sentence.text("en")
        assert text[:1].isupper()
        assert text.endswith(".")

    def test_says_what_to_do_next(self, kind):
        assert REMEDY.search(kind.sentence.text("en"))

    def test_explains_itself_to_a_developer(self, kind):
        assert kind.__doc__
