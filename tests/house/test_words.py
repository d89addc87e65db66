"""What does not belong into the project's files."""

from __future__ import annotations

import re

import pytest

from tests.house import sources

FORBIDDEN = {
    "the name of a package registry's host": r"(pypi|pythonhosted|npmjs|yarnpkg)\.(org|com)",
    "a path of somebody's own computer": r"/(home/(?!(jovyan|student|ubuntu|ec2-user|alice|\{|\$|<|\*))\w+|Users/\w+|wor[k])/",
    "a reference to a folder outside": r"\.\./shared|(?<![\w/-])shared/(facts|policy|mnist|azure)",
}  # fmt: skip

TEXT = {
    ".cfg",
    ".css",
    ".html",
    ".js",
    ".json",
    ".md",
    ".po",
    ".py",
    ".sh",
    ".svg",
    ".toml",
    ".ts",
    ".yaml",
    ".yml",
    "",
}
MAY_POINT_OUTSIDE = ("tests/", ".ci/", "CONTRIBUTING")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_has(what):
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in sources.files():
        name = sources.name(path)
        if path.suffix not in TEXT or name == "tests/house/test_words.py":
            continue
        if name.startswith(MAY_POINT_OUTSIDE) and "outside" in what:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number} {line.strip()[:120]}")
    assert found == []


def test_nothing_is_left_to_do_in_the_product():
    # In two pieces, so that this line is not found.
    pattern = re.compile("TO" + "DO|FIX" + "ME|X" + "XX")
    found = [
        f"{sources.name(path)}:{number} {line.strip()[:120]}"
        for path in sources.product()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
