"""The users of an Azure Lab Services lab, as its CSV has them."""

from __future__ import annotations

import pytest

import gpuspawner
from gpuspawner.errors import ConfigurationError


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "users.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Ada@uni.example\nbob@uni.example\n", "utf-8"),
        ("Email\r\nada@uni.example\r\nbob@uni.example\r\n", "utf-8-sig"),
        ("Name,Email,Usage hours\n아다,ada@uni.example,3\n밥,BOB@uni.example,0\n", "cp949"),
        ("Name;Email\nAda;ada@uni.example\nBob; bob@uni.example \n\n", "utf-8"),
    ],
    ids=["one column", "with a heading", "as Excel writes it in Korea", "with semicolons"],
)
def test_a_lab_gives_its_students_by_their_addresses(tmp_path, text, encoding):
    path = written(tmp_path, text, encoding)
    assert gpuspawner.roster(path) == {"ada@uni.example", "bob@uni.example"}
    assert gpuspawner.roster(path, domain="uni.example") == {"ada", "bob"}


@pytest.mark.parametrize(
    ("text", "domain", "said"),
    [
        ("Name\nAda\n", None, "no e-mail address"),
        ("", None, "no e-mail address"),
        ("ada@uni.example\nada@elsewhere.example\n", "uni.example", "ada@elsewhere.example"),
    ],
    ids=["no addresses", "nothing", "somebody of elsewhere"],
)
def test_a_file_that_is_no_roster_is_refused_by_name(tmp_path, text, domain, said):
    with pytest.raises(ConfigurationError, match=said):
        gpuspawner.roster(written(tmp_path, text), domain=domain)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.csv cannot be read"):
        gpuspawner.roster(tmp_path / "none.csv")
