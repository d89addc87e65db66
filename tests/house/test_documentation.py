"""The documentation builds without a warning, and everything there is to know is in it."""

from __future__ import annotations

import re
import subprocess
import sys

import gpuspawner_docs as made
import pytest

from gpuspawner.doctor.checks import CHECKS
from gpuspawner.model import Power
from gpuspawner.policy.table import TABLE, Action
from tests.house import sources

pytestmark = pytest.mark.docs


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every built page as text, by name."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "text"),
            *("-d", str(folder / "trees"), str(sources.ROOT / "docs"), str(folder / "text")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = folder / "text"
    return {
        path.relative_to(built).with_suffix("").as_posix(): path.read_text()
        for path in built.rglob("*.txt")
    }


def test_every_setting_is_documented(pages):
    page = pages["reference/configuration"]
    names = [
        f"c.{kind}.{name}" for kind, traits in made.setting_traits().items() for name in traits
    ]
    assert [name for name in names if name not in page] == []


def test_every_error_is_documented(pages):
    page = pages["reference/errors"]
    assert [kind.code for kind in made.all_errors() if kind.code not in page] == []


def test_every_command_is_documented(pages):
    page = pages["reference/commands"]
    assert [name for name in made.command_names() if f"gpuspawner {name}" not in page] == []


def test_the_whole_plan_is_documented():
    rows = made.plan().splitlines()[2:]
    cells = [cell for row in rows for cell in row.strip("| ").split(" | ")[1:]]
    assert len(rows) * (len(Power) + 1) == len(TABLE) == len(cells)
    assert {cell for cell in cells if cell != "–"} == {
        action.value for action in TABLE.values() if action is not Action.NOTHING
    }


def test_every_page_can_be_found_from_the_first(pages):
    written = {
        path.relative_to(sources.ROOT / "docs").with_suffix("").as_posix()
        for path in sources.files()
        if path.suffix == ".md" and path.is_relative_to(sources.ROOT / "docs")
    }
    assert written == set(pages)


def test_the_readme_points_at_files_that_exist():
    text = (sources.ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (sources.ROOT / link).exists()] == []


def test_the_readme_is_one_screen():
    assert len((sources.ROOT / "README.md").read_text().splitlines()) <= 60


def test_every_check_of_the_doctor_is_documented(pages):
    page = pages["doctor"]
    assert [name for name in CHECKS if f'"{name}"' not in page] == []
