"""Every sentence a person reads exists in Korean."""

from __future__ import annotations

import gettext
import json
import re
import string

import pytest
import translations

from gpuspawner.language import LANGUAGES
from tests.house import sources


def places(text: str) -> set[str]:
    """The names in `{…}`, and the front end's `%1`."""
    names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    return names | {*re.findall(r"%\d", text)}


def test_every_language_but_english_has_a_catalogue():
    assert {*translations.LANGUAGES, "en"} == {*LANGUAGES}


@pytest.mark.parametrize(
    ("package", "many"), [("gpuspawner", 50), ("labs_extension", 5), ("gpuspawner_labs", 50)]
)
def test_the_extraction_finds_sentences(package, many):
    assert len(translations.extracted(package)) > many


def test_every_package_with_sentences_has_a_catalogue():
    assert {*translations.PACKAGES} == {
        path.relative_to(sources.ROOT).parts[0] for path in sources.product()
    }


def test_the_extraction_misses_no_sentence_of_the_front_end():
    marked = re.compile(r"trans\.__\(\s*('?)((?:[^'\\]|\\.)*)")
    written = {
        found[2] if found[1] else f"not a plain sentence in {path.name}"
        for path in (sources.ROOT / "labs_extension/src").iterdir()
        for found in marked.finditer(path.read_text())
    }
    assert written == {*translations.extracted(translations.FRONT_END)}


@pytest.mark.parametrize("package", translations.CATALOGUES)
@pytest.mark.parametrize("language", translations.LANGUAGES)
class TestACatalogue:
    def test_has_exactly_the_sentences_of_the_package(self, language, package):
        known = {message.id for message in translations.read(language, package) if message.id}
        wanted = set(translations.extracted(package))
        assert (wanted - known, known - wanted) == (set(), set()), "run 'make locale'"

    def test_translates_every_one_and_guesses_none(self, language, package):
        catalogue = translations.read(language, package)
        assert [one.id for one in catalogue if one.id and not one.string] == []
        assert [one.id for one in catalogue if one.id and one.fuzzy] == []

    def test_keeps_the_places_of_a_sentence(self, language, package):
        differ = {
            one.id: one.string
            for one in translations.read(language, package)
            if one.id and one.string and places(one.id) != places(one.string)
        }
        assert differ == {}

    def test_is_as_the_tool_writes_it(self, language, package):
        path = translations.po_path(language, package)
        assert path.read_bytes() == translations.po_bytes(translations.updated(language, package))

    def test_is_compiled(self, language, package):
        path, content = translations.compiled(language, package)
        assert path.read_bytes() == content
        if path.suffix == ".json":
            assert json.loads(content)[""]["language"] == "ko-KR"
            return
        with path.open("rb") as file:
            assert gettext.GNUTranslations(file).info()["language"] == language
