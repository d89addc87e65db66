"""Has a server offer the kernel whose packages survive a stop, and terminals find the same ones."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from logging import Logger
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from labs_extension.kernels import launch
from labs_extension.kernels.register import SPECS


def offer_kernels(
    specs: KernelSpecManager, variables: MutableMapping[str, str], home: Path, log: Logger
) -> None:
    """Put our kernel just before the image's own of the same name: one of the student's goes first.

    Args:
        specs: of the server.
        variables: of the server, which its terminals get: there, `pip` is to be the same one.
        home: the student's.
        log: for what keeps the packages from the home; kernels start all the same.
    """
    folders = list(specs.kernel_dirs)
    images = str(Path(sys.prefix) / "share/jupyter/kernels")
    at = folders.index(images) if images in folders else 0
    specs.kernel_dirs = [*folders[:at], str(SPECS), *folders[at:]]
    try:
        own = launch.environment(variables, home)
    except (OSError, ValueError) as error:
        log.warning("packages cannot be installed into the home: %s", error)
        return
    if own is not None:
        variables["PATH"] = launch.with_path(variables, own)["PATH"]
