"""What the notebooks use: checks, words, plots, the machine, the camera, a competition."""

from __future__ import annotations

import base64
import io
import json
import threading
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from labs_extension.data import SHAPES, make_shapes
from labs_extension.lesson import NoCompetition, NotYet, check, competition, is_kept, session, words
from labs_extension.lesson.camera import read_picture
from labs_extension.lesson.plots import draw_korean


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Goes to a folder as a kernel does, which starts beside its notebook."""
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)

    def go(folder):
        (tmp_path / folder).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / folder)

    return go


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KAGGLE_CONFIG_DIR", raising=False)
    return tmp_path


class TestWords:
    @pytest.mark.parametrize(
        ("folder", "said"),
        [("course/ko", "네"), ("course/en", "yes"), ("ko/mine/deep", "네"), ("elsewhere", "yes")],
    )
    def test_are_in_the_language_of_the_folder(self, at, folder, said):
        at(folder)
        assert words(en="yes", ko="네") == said

    def test_elsewhere_are_in_the_language_of_the_terminal(self, at, monkeypatch):
        at("elsewhere")
        monkeypatch.setenv("LANG", "ko_KR.UTF-8")
        assert words(en="yes", ko="네") == "네"


class TestACheck:
    def test_that_holds_is_told(self, at, capsys):
        at("ko")
        check(1 < 2, en="Less.", ko="작아요.")
        assert capsys.readouterr().out == "✓ 작아요.\n"

    def test_that_does_not_hold_stops_the_notebook_with_its_sentence(self, at):
        at("en")
        with pytest.raises(NotYet) as stopped:
            check(2 < 1, en="Less.", ko="작아요.")
        assert stopped.value._render_traceback_() == ["✗ Not yet: Less."]


class TestPlots:
    def draw(self, text):
        """The warnings of drawing `text`."""
        figure = Figure()
        figure.subplots().set_title(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            FigureCanvasAgg(figure).draw()
        return [str(one.message) for one in caught if "Glyph" in str(one.message)]

    def test_draw_korean_without_a_missing_sign(self):
        assert draw_korean() is not None
        assert self.draw("정확도 가힣 – −1 99 %") == []

    def test_would_miss_signs_without_our_font(self, monkeypatch):
        monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
        monkeypatch.setattr(font_manager, "findSystemFonts", list)
        assert draw_korean() is None


class TestTheMachine:
    def test_keeps_what_lies_in_the_home(self, home):
        assert is_kept(home / "new" / "file.csv")
        assert is_kept("~/file.csv")

    def test_does_not_keep_what_lies_elsewhere(self, home):
        (home / "link").symlink_to("/dev/shm")
        assert [is_kept("/dev/shm/file"), is_kept(home / "link" / "file")] == [False, False]

    def test_tells_what_the_hub_said(self, tmp_path):
        file = tmp_path / "session.json"
        file.write_text(json.dumps({"balance": 3}))
        assert session({"GPUSPAWNER_SESSION_FILE": str(file)}) == {"balance": 3}

    @pytest.mark.parametrize("content", [None, "", "[1]", "{"])
    def test_tells_nothing_where_no_hub_speaks(self, tmp_path, content):
        file = tmp_path / "session.json"
        if content is not None:
            file.write_text(content)
        assert session({"GPUSPAWNER_SESSION_FILE": str(file)}) is None
        assert session({}) is None


class TestAPicture:
    def sent(self, kind="PNG", size=(224, 224)):
        buffer = io.BytesIO()
        Image.new("RGB", size, (10, 20, 30)).save(buffer, kind)
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

    def test_of_the_camera_is_an_array(self):
        image = read_picture(self.sent())
        assert image.shape == (224, 224, 3)
        assert image[0, 0].tolist() == [10, 20, 30]

    def test_that_is_none_is_none(self):
        wrong = ["", "data:image/png;base64,????", self.sent("GIF"), "x" * 10]
        assert [read_picture(one) for one in wrong] == [None] * 4


class TestShapes:
    def test_are_the_same_for_the_same_seed(self):
        one, other, third = (make_shapes(20, seed)[0] for seed in (1, 1, 2))
        assert (one == other).all()
        assert (one != third).any()

    def test_have_all_classes_equally_often(self):
        images, labels = make_shapes(40, 0)
        assert (images.shape, images.dtype) == ((40, 32, 32, 3), np.uint8)
        assert np.bincount(labels).tolist() == [4] * len(SHAPES)

    def test_can_be_of_some_classes_only(self):
        assert {*make_shapes(10, 0, classes=(6, 7))[1].tolist()} == {6, 7}

    def test_can_be_told_from_what_is_behind_them(self):
        images, _ = make_shapes(200, 3)
        middle = images.astype(int).reshape(200, -1, 3)
        assert (np.ptp(middle, axis=1).max(axis=1) > 40).all()


TOKEN = {"username": "alice", "key": "a-secret-key"}


@pytest.fixture
def kaggle():
    """A server that hands out an archive to who knows the token."""
    asked = []
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train.csv", "label,pixel0\n1,0\n")
        archive.writestr("../../test.csv", "pixel0\n0\n")
        archive.writestr("readme.txt", "no")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            wanted = "Basic " + base64.b64encode(b"alice:a-secret-key").decode()
            self.send_response(200 if self.headers.get("Authorization") == wanted else 403)
            self.end_headers()
            self.wfile.write(content.getvalue())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.asked = asked
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def write_token(home, token=TOKEN, mode=0o600):
    folder = home / ".kaggle"
    folder.mkdir()
    file = folder / "kaggle.json"
    file.write_text(json.dumps(token))
    file.chmod(mode)


class TestACompetition:
    def fetch(self, kaggle, home):
        address = f"http://127.0.0.1:{kaggle.server_port}/"
        return competition("digit-recognizer", home / "data", address=address)

    def test_is_fetched_once_with_the_students_token(self, kaggle, home):
        write_token(home)
        files = self.fetch(kaggle, home)
        assert [one.name for one in files] == ["test.csv", "train.csv"]
        assert {one.parent for one in files} == {home / "data"}
        assert self.fetch(kaggle, home) == files
        assert [path for path, _ in kaggle.asked] == ["/digit-recognizer"]

    @pytest.mark.parametrize(
        ("token", "mode", "says"),
        [
            (None, 0o600, "There is no token"),
            (TOKEN, 0o644, "Others can read"),
            ({"username": "alice"}, 0o600, "not a token"),
            ({**TOKEN, "key": "another"}, 0o600, "refuses (403)"),
        ],
    )
    def test_is_not_fetched_without_a_good_token_and_the_token_is_never_shown(
        self, kaggle, home, monkeypatch, token, mode, says
    ):
        monkeypatch.chdir(home)
        if token is not None:
            write_token(home, token, mode)
        with pytest.raises(NoCompetition) as refused:
            self.fetch(kaggle, home)
        assert says in str(refused.value)
        assert "secret" not in repr(refused.value) + repr(refused.value.__cause__)
        assert not (home / "data").exists()

    def test_without_a_network_says_so(self, home, monkeypatch):
        monkeypatch.chdir(home)
        write_token(home)
        with pytest.raises(NoCompetition, match="cannot be reached"):
            competition("digit-recognizer", home / "data", address="http://127.0.0.1:1/")
