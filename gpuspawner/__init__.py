"""A GPU virtual machine for every student of a class, within the class's credit."""

from gpuspawner._version import __version__

__all__ = ["__version__"]
