"""What a student installs is there after a stop: a machine booted for real, and booted again."""

from __future__ import annotations

import shutil

from gpuspawner.emulator.machine_image import PACKAGE
from tests.emulator.machine.machines import World
from tests.labs_extension.test_kernels import TINY, tiny_wheel

LAUNCH = PACKAGE.parent / "labs_extension/kernels/launch.py"


def test_a_package_installed_by_a_kernel_is_imported_after_a_stop(apart: World, tmp_path) -> None:
    alice = apart.machine()
    alice.boot()
    alice.wait_until_up()
    python = f"{apart.image.python} {LAUNCH}"
    wheel = tiny_wheel(tmp_path)
    shutil.copy(wheel, apart.volume() / "data")
    (apart.volume() / "data" / wheel.name).chmod(0o644)
    assert alice.type(f"{python} {TINY}")["code"] != 0
    # As `%pip install` does it, in the kernel's own process.
    alice.says(f"{python} pip install --quiet --no-index --disable-pip-version-check {wheel.name}")
    assert alice.says(f"{python} {TINY}") == "42"

    alice.controller.change(verdict="save_and_stop")
    alice.wait_for(lambda c: "saved" in c.stages)
    apart.host.destroy("i-1")
    later = apart.machine("i-2")
    later.boot()
    later.wait_until_up()
    assert later.says(f"{python} {TINY}") == "42"
    where = later.says(f"{python} site --user-base; find . -name {TINY}.py")
    assert "./.local/share/gpuspawner/python/" in where
