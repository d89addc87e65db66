"""Every notebook of the course runs, in both languages, and holds what it teaches."""

from __future__ import annotations

import re

import course
import nbformat
import pytest

from tests.course_content.conftest import printed

LESSONS = [source.stem for source in course.sources()]
HANGUL = re.compile("[가-힣]")


def cells(source, language):
    """The cells of a lesson's notebook, as they are on the disk."""
    path = course.CONTENT / language / f"{source.stem}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook.cells


def test_the_lessons_are_those_of_the_course():
    assert LESSONS == [
        "00_start_here",
        "01_is_there_a_gpu",
        "02_cpu_against_gpu",
        "03_mnist",
        "04_cifar10",
        "05_three_backends",
        "06_transfer_learning",
        "07_a_competition",
    ]


# So long only where the machine is busy with something else: each takes seconds.
@pytest.mark.timeout(480)
@pytest.mark.parametrize("language", course.LANGUAGES)
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_notebook_runs_and_every_check_holds(run, lesson, language):
    done = run(language, lesson)
    said = printed(done)
    checks = sum(
        cell.source.startswith("check(") or "\ncheck(" in cell.source for cell in done.cells
    )
    assert said.count("✓") >= checks >= 1
    assert "✗" not in said
    assert bool(HANGUL.search(said)) is (language == "ko")
    # matplotlib warns of a sign that its font does not have; nothing else warns either.
    assert printed(done, "stderr") == ""


@pytest.mark.parametrize("path", course.made(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_notebook_is_what_its_source_makes(path):
    assert path.read_text(encoding="utf-8") == course.made()[path], "run scripts/course.py"


def test_there_is_no_notebook_without_a_source():
    assert {*course.CONTENT.rglob("*.ipynb")} == {*course.made()}


@pytest.mark.parametrize("source", course.sources(), ids=lambda path: path.stem)
class TestALesson:
    def test_has_the_same_code_in_every_language(self, source):
        english, korean = (cells(source, language) for language in course.LANGUAGES)

        def code(notebook):
            return [(c.id, c.source) for c in notebook if c.cell_type == "code"]

        assert code(english) == code(korean) != []

    def test_says_everything_in_every_language_in_the_same_places(self, source):
        english, korean = (cells(source, language) for language in course.LANGUAGES)
        assert [c.cell_type for c in english] == [c.cell_type for c in korean]
        for cell in english:
            assert cell.cell_type == "code" or not HANGUL.search(cell.source)
        for cell in korean:
            assert cell.cell_type == "code" or HANGUL.search(cell.source)

    def test_has_short_text_and_no_outputs(self, source):
        for cell in cells(source, "en"):
            if cell.cell_type == "markdown":
                assert len(cell.source.split()) <= 100
            else:
                assert (cell.outputs, cell.execution_count) == ([], None)
                assert len(cell.source.splitlines()) <= 32

    def test_leads_only_to_notebooks_that_there_are(self, source):
        links = re.findall(r"\]\((\w+\.ipynb)\)", source.read_text(encoding="utf-8"))
        assert {link.removesuffix(".ipynb") for link in links} <= {*LESSONS}


def test_a_cell_of_text_for_no_language_is_refused(tmp_path):
    source = tmp_path / "a.py"
    source.write_text("# %% [markdown]\n# Hello\n")
    with pytest.raises(ValueError, match="lang="):
        course.notebook(source, "en")
