"""The version of this runtime, which is the version of the template it came from."""

__version__ = "0.2.0"
