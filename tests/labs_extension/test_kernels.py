"""What a student installs lands in the home, and kernels start whatever is wrong there."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from labs_extension.kernels import launch
from labs_extension.kernels.offer import launched, offer_kernels

TINY = "tiny_for_tests"


def tiny_wheel(folder: Path) -> Path:
    """A package with one module, which needs no network to install."""
    wheel = folder / f"{TINY}-1.0-py3-none-any.whl"
    info = f"{TINY}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            f"{TINY}.py", "ANSWER = 42\nif __name__ == '__main__':\n    print(ANSWER)\n"
        )
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {TINY}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A student's; the environment of the image, which is ours, cannot be written."""
    made = tmp_path / "home"
    made.mkdir()
    for name in ("XDG_DATA_HOME", "GPUSPAWNER_WITHOUT_SETTINGS"):
        monkeypatch.delenv(name, raising=False)
    real = os.access
    closed = sys.prefix
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: (
            not (mode & os.W_OK and str(path).startswith(closed)) and real(path, mode)
        ),
    )
    return made


def run(own: Path, *words: str) -> str:
    done = subprocess.run(
        [own / "bin/python", *words], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_package_lands_in_the_home_beside_all_of_the_image(home, tmp_path):
    own = launch.environment({}, home)
    assert own is not None
    assert own.parent == home / ".local/share/gpuspawner/python"
    before = {path.name for path in Path(launch.site.getsitepackages()[0]).iterdir()}
    subprocess.run(
        [own / "bin/pip", "install", "--quiet", "--no-index", tiny_wheel(tmp_path)],
        check=True,
        env={"PATH": os.defpath, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(home)},
    )
    code = f"import {TINY}, ipykernel, sys; print({TINY}.__file__, sys.prefix)"
    lib = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    assert run(own, "-c", code) == f"{own / lib / TINY}.py {own}"
    assert {path.name for path in Path(launch.site.getsitepackages()[0]).iterdir()} == before


def test_what_a_student_installs_goes_before_the_images_own(home):
    own = launch.environment({}, home)
    path = json.loads(run(own, "-c", "import json, sys; print(json.dumps(sys.path))"))
    lib = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    image = launch.site.getsitepackages()[0]
    assert path.index(str(own / lib)) < path.index(image)


def test_it_is_made_once_and_repaired_when_the_images_python_has_moved(home):
    own = launch.environment({}, home)
    (own / "kept").write_text("mine")
    ready = next(own.rglob(launch.PATH_FILE))
    made = ready.stat().st_mtime_ns
    assert launch.environment({}, home) == own
    assert ready.stat().st_mtime_ns == made
    for link in (own / "bin").glob("python*"):
        link.unlink()
    (own / "bin/python").symlink_to("/nowhere/python3")
    assert launch.environment({}, home) == own
    assert run(own, "-c", "print(6 * 7)") == "42"
    assert (own / "kept").read_text() == "mine"


def test_another_python_gets_another_one_and_the_old_one_stays():
    assert launch.name("/opt/gpuspawner", (3, 12, 3)) == "opt-gpuspawner-3.12"
    assert launch.name("/opt/gpuspawner", (3, 13, 0)) == "opt-gpuspawner-3.13"
    assert launch.name("/opt/torch", (3, 12, 3)) == "opt-torch-3.12"


def test_an_environment_that_can_be_written_needs_none(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert launch.environment({}, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_start_without_settings_uses_none(home):
    assert launch.environment({"GPUSPAWNER_WITHOUT_SETTINGS": "1"}, home) is None


@pytest.mark.parametrize("broken", [".local", ".local/share/gpuspawner"])
def test_a_module_runs_also_when_the_home_is_broken(home, broken, monkeypatch, capsys):
    (home / broken).parent.mkdir(parents=True, exist_ok=True)
    (home / broken).write_text("a file in its place")
    monkeypatch.setenv("HOME", str(home))
    became = []
    monkeypatch.setattr(os, "execve", lambda *arguments: became.append(arguments))
    launch.main(["ipykernel_launcher", "-f", "x.json"])
    [(python, argv, _)] = became
    assert python == sys.executable
    assert argv[-4:] == ["-m", "ipykernel_launcher", "-f", "x.json"]
    assert "Packages cannot be installed into your home" in capsys.readouterr().err


class TestTheServersKernel:
    @pytest.fixture
    def specs(self, home, tmp_path, monkeypatch) -> KernelSpecManager:
        # As for a student, who does not own the image's environment.
        monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
        manager = KernelSpecManager()
        self.variables = {"PATH": "/usr/bin"}
        offer_kernels(manager, self.variables, home, logging.getLogger())
        return manager

    def test_is_launched_and_keeps_its_logo_and_terminals_find_its_pip(self, specs, home):
        spec = specs.get_kernel_spec("python3")
        at = spec.argv.index(launch.__file__)
        assert spec.argv[at + 1 :] == ["ipykernel_launcher", "-f", "{connection_file}"]
        assert (Path(spec.resource_dir) / "logo-svg.svg").is_file()
        own = launch.environment({}, home)
        assert self.variables["PATH"].split(":")[0] == f"{own}/bin"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (
                ["/opt/torch/bin/python", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "x"],
                ["/opt/torch/bin/python", "-Xfrozen_modules=off", launch.__file__, "ipykernel_launcher", "-f", "x"],
            ),
            (["julia", "-i", "{connection_file}"], ["julia", "-i", "{connection_file}"]),
            (["python", "-m", "bash_kernel", "-f", "x"], ["python", "-m", "bash_kernel", "-f", "x"]),
        ],
    )  # fmt: skip
    def test_of_python_is_launched_in_any_environment_and_no_other(self, before, after):
        assert launched(before) == after

    async def test_starts_and_computes(self, specs, home, monkeypatch):
        monkeypatch.setenv("HOME", str(home))
        manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            reply = await client.execute_interactive("assert 6 * 7 == 42", timeout=60)
            assert reply["content"]["status"] == "ok"
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
