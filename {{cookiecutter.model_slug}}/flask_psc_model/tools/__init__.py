"""Commands for a developer's machine; a vendored image leaves this package out."""


def to_line(text: str) -> str:
    """Return a text on one line, its white space collapsed."""
    return " ".join(text.split())
