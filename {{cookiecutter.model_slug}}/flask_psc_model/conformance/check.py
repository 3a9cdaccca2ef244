"""A check: what it is called, and which part of the specification asks for it."""

from typing import Callable, Iterator, Optional, Sequence

from .finding import Finding
from .target import Target

#: The sections of the specification, as the README of a repository calls them.
CONTAINER = "Docker container specification"
RESPONSE = "HTTP API specification: response object"
STATUS = "HTTP API specification: status"
RUN = "HTTP API specification: run"
SHUTDOWN = "HTTP API specification: shutdown"
#: No section asks for it: it is what a good server does besides.
STANDARD = "our standards"

Find = Callable[[Target], Iterator[Finding]]


class Check:
    """One thing to check.

    Attributes:
        name: by which it is chosen.
        section: of the specification.
        summary: what it checks, in a line.
        find: yields what it finds; None where the start of the container shows it.
        options: of `docker run`, where it takes a container of its own; None where it
            does not.
        needs_container: whether a running server is not enough.
        is_advice: what it finds is advice, and no failure.
    """

    def __init__(
        self,
        name: str,
        section: str,
        summary: str,
        find: Optional[Find] = None,
        options: Optional[Sequence[str]] = None,
        needs_container: bool = False,
        is_advice: bool = False,
    ) -> None:
        self.name = name
        self.section = section
        self.summary = summary
        self.find = find
        self.options = options
        self.needs_container = needs_container
        self.is_advice = is_advice or section == STANDARD
