"""What `pip install` gets: the source distribution, and the wheel that is built from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import sources
from tests.house.test_packaging import FRONT_END

LAB = "share/jupyter/labextensions/gpuspawner-labs"


def _build(kind: str, tree: Path, to: Path) -> Path:
    """As `pip` asks the build backend, with what is installed here."""
    program = f"from setuptools import build_meta as b; b.build_{kind}({str(to)!r})"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tree,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    [made] = to.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])
    return made


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The files of both, without the folder that all of them are in; data files as installed."""
    folder = tmp_path_factory.mktemp("distribution")
    tree = folder / "tree"
    for path in sources.files():
        to = tree / path.relative_to(sources.ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    sdist = _build("sdist", tree, folder)
    with tarfile.open(sdist) as archive:
        packed = {one.name.partition("/")[2] for one in archive if one.isfile()}
        archive.extractall(folder / "unpacked", filter="data")
    [unpacked] = (folder / "unpacked").iterdir()
    with zipfile.ZipFile(_build("wheel", unpacked, folder)) as wheel:
        installed = {name.partition(".data/data/")[2] or name for name in wheel.namelist()}
    return packed, installed


def _names(keep: Callable[[tuple[str, ...]], bool]) -> set[str]:
    found = (path.relative_to(sources.ROOT) for path in sources.files())
    return {path.as_posix() for path in found if keep(path.parts)}


def test_the_wheel_has_every_file_of_the_packages_and_the_front_end_where_jupyterlab_looks(
    distributions: tuple[set[str], set[str]],
) -> None:
    _packed, installed = distributions
    packages = _names(
        lambda parts: (
            parts[0] in ("course_content", "gpuspawner", "labs_extension")
            and not (parts[0] == "labs_extension" and parts[1] in FRONT_END)
            and parts[:2] != ("course_content", "source")  # what the notebooks are made from
        )
    )
    front = sources.ROOT / "labs_extension" / "labextension"
    built = {
        f"{LAB}/{path.relative_to(front).as_posix()}"
        for path in front.rglob("*")
        if path.suffix in (".js", ".json") or path.name == "style.css"
    }
    wanted = {
        *packages,
        *built,
        f"{LAB}/install.json",
        "etc/jupyter/jupyter_server_config.d/labs_extension.json",
        "share/jupyter/lab/settings/overrides.d/gpuspawner.json",
    }
    assert wanted - installed == set()
    ours = {name for name in installed if ".dist-info/" not in name}
    assert ours - wanted - {one for one in ours if one.startswith(f"{LAB}/static/")} == set()


def test_the_source_distribution_has_the_course_the_documentation_and_the_tests(
    distributions: tuple[set[str], set[str]],
) -> None:
    packed, _installed = distributions
    rooms = (
        "course_content", "docs", "gpuspawner", "hub_config", "jupyter-config", "labs_extension", "scripts", "tests",
    )  # fmt: skip
    wanted = _names(lambda parts: parts[0] in rooms)
    assert any(name.endswith(".ipynb") for name in wanted)
    assert wanted - packed == set()
