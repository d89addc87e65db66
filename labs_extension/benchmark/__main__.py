"""`python -m labs_extension.benchmark` is `gpuspawner-benchmark`."""

from __future__ import annotations

import sys

from labs_extension.benchmark.cli import main

if __name__ == "__main__":
    sys.exit(main())
