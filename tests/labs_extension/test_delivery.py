"""The course in the home: what comes, what is updated, and what is left as the student has it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from labs_extension.delivery import deliver as room
from labs_extension.delivery.decide import MINE, Act, Known, decide
from labs_extension.delivery.deliver import Delivered, Wish, deliver
from labs_extension.delivery.folder import Folder, NotPlain
from labs_extension.delivery.source import NoCourse, Repository, copy_here, files
from tests.labs_extension.hand_clock import HandClock

NOVEMBER = 1795867200.0  # 2026-11-28, noon in UTC


class Home:
    """A home, a course that changes, and a server that starts again and again."""

    def __init__(self, tmp_path: Path) -> None:
        self.home, self.upstream = tmp_path / "home", tmp_path / "upstream"
        self.home.mkdir()
        self.upstream.mkdir()
        self.clock = HandClock(NOVEMBER)
        self.repository: Repository | None = None
        self.report: room.Report | None = None

    def publishes(self, **texts: str) -> None:
        """The course has these lessons now, by language and name: `ko_one="…"`."""
        for name, text in texts.items():
            path = self.upstream / (name.replace("_", "/") + ".ipynb")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def starts(self, seconds: float = 20.0) -> dict[str, str]:
        """A server starts: the state of each file."""
        wish = Wish(self.home, "course", self.repository, seconds, self.upstream)
        self.report = deliver(wish, self.clock, os.environ)
        return {one.path: one.state for one in self.report.files}

    @property
    def texts(self) -> dict[str, str]:
        """What is in the course's folder, but what is hidden."""
        base = self.home / "course"
        return {
            path.relative_to(base).as_posix(): path.read_text()
            for path in sorted(base.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }

    def writes(self, name: str, text: str) -> None:
        (self.home / "course" / name).write_text(text)


@pytest.fixture
def alice(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("TZ", "UTC")
    made = Home(tmp_path)
    made.publishes(ko_one="one", ko_two="two")
    return made


ONE, TWO = "course/ko/one.ipynb", "course/ko/two.ipynb"
BESIDE = "ko/one (new 2026-11-28).ipynb"


@pytest.mark.parametrize(
    ("known", "there", "wanted", "act"),
    [
        (None, None, "b", Act.NEW),
        (None, "b", "b", Act.CURRENT),
        (None, "mine", "b", Act.OFFER),
        (Known("a"), "a", "a", Act.CURRENT),
        (Known("a"), "a", "b", Act.UPDATE),
        (Known("a"), None, "a", Act.DELETED),
        (Known("a"), None, "b", Act.DELETED),
        (Known("a"), "mine", "a", Act.KEEP),
        (Known("a"), "mine", "b", Act.OFFER),
        (Known("a", "b"), "mine", "b", Act.KEEP),
        (Known("a", "b"), "mine", "c", Act.OFFER),
        (Known("a", "b"), "a", "b", Act.UPDATE),
        (Known("a", "b"), "b", "b", Act.CURRENT),
        (Known("a"), MINE, "b", Act.OFFER),
    ],
)
def test_a_file_is_never_replaced_unless_it_is_as_it_was_delivered(known, there, wanted, act):
    assert decide(known, there, wanted) is act


def test_the_course_is_there_at_the_first_start_and_nothing_happens_at_the_second(alice):
    assert alice.starts() == {ONE: "new", TWO: "new"}
    assert alice.texts == {"ko/one.ipynb": "one", "ko/two.ipynb": "two"}
    before = (alice.home / "course" / ".gpuspawner-course.json").stat().st_mtime_ns
    assert alice.starts() == {ONE: "current", TWO: "current"}
    assert (alice.home / "course" / ".gpuspawner-course.json").stat().st_mtime_ns == before
    assert alice.report.problem is None


def test_an_update_replaces_what_was_not_touched_and_puts_the_rest_beside_the_students(alice):
    alice.starts()
    alice.writes("ko/one.ipynb", "one, with my answers")
    alice.publishes(ko_one="one, corrected", ko_two="two, corrected", ko_three="three")
    assert alice.starts() == {ONE: "kept", TWO: "updated", "course/ko/three.ipynb": "new"}
    assert alice.texts == {
        "ko/one.ipynb": "one, with my answers",
        BESIDE: "one, corrected",
        "ko/three.ipynb": "three",
        "ko/two.ipynb": "two, corrected",
    }
    assert alice.report.files[0] == Delivered(ONE, "kept", f"course/{BESIDE}")


def test_the_same_update_is_put_beside_once_also_when_its_copy_is_deleted(alice):
    alice.starts()
    alice.writes("ko/one.ipynb", "mine")
    alice.publishes(ko_one="corrected")
    alice.starts()
    (alice.home / "course" / BESIDE).unlink()
    assert alice.starts() == {ONE: "kept", TWO: "current"}
    assert alice.report.files[0].beside is None
    assert alice.texts == {"ko/one.ipynb": "mine", "ko/two.ipynb": "two"}


def test_a_copy_that_the_student_has_written_into_stays_too(alice):
    alice.starts()
    alice.writes("ko/one.ipynb", "mine")
    alice.publishes(ko_one="corrected")
    alice.starts()
    alice.writes(BESIDE, "mine as well")
    alice.publishes(ko_one="corrected again")
    alice.starts()
    assert alice.texts == {
        "ko/one.ipynb": "mine",
        BESIDE: "mine as well",
        "ko/one (new 2026-11-28 2).ipynb": "corrected again",
        "ko/two.ipynb": "two",
    }


def test_what_a_student_deleted_stays_deleted_and_without_the_folder_all_comes_anew(alice):
    alice.starts()
    (alice.home / ONE).unlink()
    alice.publishes(ko_one="corrected")
    assert alice.starts() == {ONE: "deleted", TWO: "current"}
    assert alice.texts == {"ko/two.ipynb": "two"}
    (alice.home / "course").rename(alice.home / "old")
    assert alice.starts() == {ONE: "new", TWO: "new"}


def test_a_lesson_that_the_course_has_no_more_is_left(alice):
    alice.starts()
    (alice.upstream / "ko/two.ipynb").unlink()
    assert alice.starts() == {ONE: "current"}
    assert alice.texts == {"ko/one.ipynb": "one", "ko/two.ipynb": "two"}


def test_a_damaged_record_costs_no_edit(alice):
    alice.starts()
    alice.writes("ko/one.ipynb", "mine")
    alice.writes(".gpuspawner-course.json", '{"files": [1, {')
    assert alice.starts() == {ONE: "kept", TWO: "current"}
    assert alice.texts["ko/one.ipynb"] == "mine"
    assert alice.texts[BESIDE] == "one"


def test_no_link_is_followed_out_of_the_home(alice, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one.ipynb").write_text("not the student's")
    (alice.home / "course").mkdir()
    (alice.home / "course/ko").symlink_to(elsewhere)
    assert alice.starts() == {ONE: "failed", TWO: "failed"}
    (alice.home / "course/ko").unlink()
    (alice.home / "course/ko").mkdir()
    (alice.home / ONE).symlink_to(elsewhere / "one.ipynb")
    assert alice.starts() == {ONE: "kept", TWO: "new"}
    assert (alice.home / "course" / BESIDE).read_text() == "one"
    assert [path.name for path in elsewhere.iterdir()] == ["one.ipynb"]
    assert (elsewhere / "one.ipynb").read_text() == "not the student's"


def test_a_folder_that_is_a_link_gets_nothing(alice, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (alice.home / "course").symlink_to(tmp_path / "elsewhere")
    assert (alice.starts(), alice.report.problem) == ({}, "link")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/elsewhere", "."])
def test_the_folder_is_below_the_home(alice, name):
    with pytest.raises(NotPlain):
        Folder(alice.home, name)


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
def test_a_crash_at_any_moment_leaves_whole_files_and_the_next_start_finishes(
    alice, monkeypatch, call
):
    """Killed at the first such call, then at the second, and so on until none is left."""
    versions = {"one", "two", "one 1", "two 1", "mine"}
    number, crashed = 0, True
    while crashed:
        number += 1
        alice.home = alice.home.parent / f"home-{number}"
        alice.home.mkdir()
        (alice.upstream / "ko/three.ipynb").unlink(missing_ok=True)
        alice.publishes(ko_one="one", ko_two="two")
        alice.starts()
        alice.writes("ko/two.ipynb", "mine")
        alice.publishes(ko_one="one 1", ko_two="two 1", ko_three="one 1")
        with monkeypatch.context() as patch:
            crashed = _crash_at(patch, call, number, alice)
        assert {*alice.texts.values()} <= versions
        alice.starts()
        assert alice.texts == {
            "ko/one.ipynb": "one 1",
            "ko/three.ipynb": "one 1",
            "ko/two (new 2026-11-28).ipynb": "two 1",
            "ko/two.ipynb": "mine",
        }
        assert not list(alice.home.rglob("*.part"))
    assert number > 2


class Killed(BaseException):
    """The process ends here."""


def _crash_at(patch, call: str, number: int, alice: Home) -> bool:
    real, calls = getattr(os, call), []

    def die(*arguments, **options):
        calls.append(call)
        if len(calls) == number:
            patch.setattr(os, "unlink", _killed)  # a dead process cleans up nothing
            raise Killed
        return real(*arguments, **options)

    def _killed(*_, **__):
        raise Killed

    patch.setattr(os, call, die)
    try:
        alice.starts()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_home_says_so_and_loses_nothing(alice, monkeypatch, error):
    alice.starts()
    alice.publishes(ko_one="one 1", ko_two="two 1")

    def full(_descriptor):
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert alice.starts() == {ONE: "failed", TWO: "failed"}
    assert alice.report.problem == "full"
    assert alice.texts == {"ko/one.ipynb": "one", "ko/two.ipynb": "two"}
    assert alice.starts() == {ONE: "updated", TWO: "updated"}


def test_what_takes_too_long_comes_at_the_next_start(alice):
    assert alice.starts(seconds=-1.0) == {ONE: "failed", TWO: "failed"}
    assert alice.report.problem == "slow"
    assert alice.starts() == {ONE: "new", TWO: "new"}


class TestTheRepository:
    @pytest.fixture
    def class_(self, alice, tmp_path) -> Home:
        """The same course, in a repository, with a tag."""
        self.git(alice, "init", "--quiet", "--initial-branch=main")
        self.commits(alice, "first")
        self.git(alice, "tag", "-a", "-m", "t", "v1")
        alice.repository = Repository(f"file://{alice.upstream}", "v1")
        return alice

    def git(self, alice: Home, *words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", *who, *words], cwd=alice.upstream, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commits(self, alice: Home, message: str) -> str:
        self.git(alice, "add", "--all")
        self.git(alice, "commit", "--quiet", "-m", message)
        return self.git(alice, "rev-parse", "HEAD")

    def test_the_tag_is_delivered_and_what_came_after_it_is_not(self, class_):
        first = self.git(class_, "rev-parse", "HEAD")
        class_.publishes(ko_one="not yet")
        second = self.commits(class_, "second")
        assert class_.starts() == {ONE: "new", TWO: "new"}
        assert (class_.report.commit, class_.texts["ko/one.ipynb"]) == (first, "one")
        class_.repository = Repository(class_.repository.url, second)
        assert class_.starts() == {ONE: "updated", TWO: "current"}
        assert (class_.report.commit, class_.texts["ko/one.ipynb"]) == (second, "not yet")

    def test_a_branch_is_followed(self, class_):
        class_.repository = Repository(class_.repository.url, "main")
        class_.starts()
        class_.publishes(ko_two="two, corrected")
        self.commits(class_, "second")
        assert class_.starts() == {ONE: "current", TWO: "updated"}

    def test_a_folder_of_it_is_enough_and_links_and_hidden_files_are_left_out(self, class_):
        (class_.upstream / "ko/secrets").symlink_to("/etc/passwd")
        (class_.upstream / "ko/.hidden").write_text("no")
        self.commits(class_, "second")
        class_.repository = Repository(class_.repository.url, "main", "ko")
        found = class_.starts()
        # Where git writes links as files, it is a file with the name of the link's target.
        assert {one for one in found if "secrets" not in one} == {
            "course/one.ipynb",
            "course/two.ipynb",
        }
        assert "root:" not in class_.texts.get("secrets", "")

    def test_without_a_network_the_copy_comes_and_later_never_undoes_the_repository(
        self, class_, tmp_path
    ):
        real = class_.repository
        away = Repository(f"file://{tmp_path}/away", "v1")
        class_.repository = away
        assert class_.starts() == {ONE: "new", TWO: "new"}
        assert class_.report.problem == "network"
        class_.publishes(ko_one="one of the repository")
        self.commits(class_, "second")
        class_.repository = Repository(real.url, "main")
        assert class_.starts() == {ONE: "updated", TWO: "current"}
        class_.publishes(ko_one="the copy of the image")
        class_.repository = away
        assert class_.starts() == {ONE: "current", TWO: "current"}
        assert class_.texts["ko/one.ipynb"] == "one of the repository"

    def test_a_version_that_is_delivered_is_not_fetched_again(self, class_):
        class_.starts()
        commit = class_.report.commit
        class_.upstream.rename(class_.upstream.parent / "gone")
        class_.repository = Repository(class_.repository.url, commit)
        assert class_.starts() == {ONE: "current", TWO: "current"}
        assert class_.report.problem is None

    def test_a_ref_that_there_is_not_is_told(self, class_):
        class_.repository = Repository(class_.repository.url, "v9")
        class_.starts()
        assert class_.report.problem == "missing"

    def test_git_that_hangs_is_ended(self, class_, tmp_path, monkeypatch):
        tools = tmp_path / "tools"
        tools.mkdir()
        # Its child holds the pipe, as the one that speaks https does.
        (tools / "git").write_text("#!/bin/sh\nsleep 600\n")
        (tools / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
        class_.starts(seconds=0.2)
        assert (class_.report.problem, class_.report.detail) == ("network", "git took too long")
        assert class_.texts == {"ko/one.ipynb": "one", "ko/two.ipynb": "two"}

    def test_without_git_the_copy_comes(self, class_, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert class_.starts() == {ONE: "new", TWO: "new"}
        assert class_.report.problem == "git"

    @pytest.mark.parametrize(
        "wrong",
        [
            Repository("ext::sh -c 'touch /tmp/x'", "v1"),
            Repository("http://example.org/course", "v1"),
            Repository("https://me:secret@example.org/course", "v1"),
            Repository("--upload-pack=/tmp/x", "v1"),
            Repository("https://example.org/course", "--exec=x"),
            Repository("https://example.org/course", "a..b"),
            Repository("https://example.org/course", ""),
            Repository("https://example.org/course", "v1", "../elsewhere"),
            Repository("https://example.org/course", "v1", "/etc"),
        ],
    )
    def test_a_setting_that_could_mean_something_else_is_refused(self, wrong):
        with pytest.raises(NoCourse) as refused:
            wrong.check()
        assert refused.value.kind == "setting"


def test_the_installed_course_has_both_languages_and_no_sources():
    found = files(copy_here(), ("ko", "en"))
    names = {path.partition("/")[2] for path in found}
    assert {*found} == {f"{language}/{name}" for language in ("ko", "en") for name in names}
    assert "00_start_here.ipynb" in names


def test_a_course_that_is_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "data.bin").write_bytes(b"0" * 100)
    monkeypatch.setattr("labs_extension.delivery.source.LARGEST_FILE", 99)
    with pytest.raises(NoCourse):
        files(tmp_path)


async def test_a_server_on_a_machine_of_a_class_delivers_and_tells(make_server, monkeypatch):
    monkeypatch.setenv("GPUSPAWNER_CLAIM", "gs-alice")
    server = make_server()
    status, said = await server.ask("gpuspawner/api/course")
    start = {"path": "course/ko/00_start_here.ipynb", "state": "new", "beside": None}
    assert (status, said["folder"], said["in_browser"]) == (200, "course", True)
    assert (said["problem"], said["commit"]) == (None, None)
    assert start in said["files"]
    cells = json.loads((Path(server.app.root_dir) / start["path"]).read_text())["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert (await server.ask("gpuspawner/api/course", token=""))[0] == 403


async def test_any_other_server_gets_no_course(make_server, monkeypatch):
    monkeypatch.delenv("GPUSPAWNER_CLAIM", raising=False)
    server = make_server()
    assert await server.ask("gpuspawner/api/course") == (200, {"folder": None, "files": []})
    assert not (Path(server.app.root_dir) / "course").exists()


async def test_a_home_that_cannot_be_written_still_opens(make_server, monkeypatch, tmp_path):
    monkeypatch.setenv("GPUSPAWNER_CLAIM", "gs-alice")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/course").write_text("a file of mine")
    server = make_server()
    status, said = await server.ask("gpuspawner/api/course")
    assert (status, said["files"]) == (200, [])
    assert said["problem"]["en"].startswith("The course's folder is a link or a file")
    assert (await server.ask("api/status"))[0] == 200
