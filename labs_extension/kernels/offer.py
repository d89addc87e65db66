"""Has every Python kernel of a server run by `launch`, and terminals find the same packages."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from labs_extension.kernels import launch

_MODULE = ["-m", "ipykernel_launcher"]


class LaunchedKernelSpec(KernelSpec):
    """A kernel's specification; one of IPython's is run by `launch`, in its own Python as before.

    So any environment of the image serves that is registered as people know it, with
    `ipykernel install`; `launch` itself finds out whether it has to do anything.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.argv = launched(self.argv)


def launched(argv: Sequence[str]) -> list[str]:
    """The command with which `launch` runs the kernel; any other kernel's stays as it is."""
    at = next((n for n, _ in enumerate(argv) if [*argv[n : n + 2]] == _MODULE), None)
    if at is None:
        return [*argv]
    return [*argv[:at], str(Path(launch.__file__).absolute()), *argv[at + 1 :]]


def offer_kernels(
    specs: KernelSpecManager, variables: MutableMapping[str, str], home: Path, log: Logger
) -> None:
    """Begin to launch the kernels.

    Args:
        specs: of the server.
        variables: of the server, which its terminals get: there, `pip` is to be the same one.
        home: the student's.
        log: for what keeps the packages from the home; kernels start all the same.
    """
    specs.kernel_spec_class = LaunchedKernelSpec
    try:
        own = launch.environment(variables, home)
    except (OSError, ValueError) as error:
        log.warning("packages cannot be installed into the home: %s", error)
        return
    if own is not None:
        variables["PATH"] = launch.with_path(variables, own)["PATH"]
