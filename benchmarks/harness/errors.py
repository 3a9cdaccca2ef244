"""The error that ends a benchmark."""


class BenchmarkFailed(Exception):
    """The benchmark cannot continue; the user sees only the message."""
