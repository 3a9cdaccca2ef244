"""The version of this runtime, the same as that of its template."""

__version__ = "0.4.0"
