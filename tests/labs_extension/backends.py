"""Which of Keras' backends the tests run on: said, not found out.

One that is named here and is not installed fails; one that is not named is not run, and the head of
the test run says so. `GPUSPAWNER_BACKENDS=jax,torch make test` names others.
"""

from __future__ import annotations

import os

from labs_extension.benchmark.plan import BACKENDS

UNDER_TEST = tuple((os.environ.get("GPUSPAWNER_BACKENDS") or "jax").split(","))


def header() -> str:
    """The line at the head of the test run."""
    others = [name for name in BACKENDS if name not in UNDER_TEST]
    return (
        f"Keras backends under test: {', '.join(UNDER_TEST)}; not run: {', '.join(others) or '-'}"
    )
