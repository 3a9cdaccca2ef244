"""What the benchmark tells its user when it cannot go on."""


class BenchmarkFailed(Exception):
    """The benchmark cannot go on; the message says why and is all that the user sees."""
