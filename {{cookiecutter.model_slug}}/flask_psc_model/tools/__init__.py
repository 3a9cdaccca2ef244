"""Commands for a developer's machine; a vendored image leaves this package out."""


def to_line(text: str) -> str:
    """Return a text on one line, its white space collapsed."""
    return " ".join(text.split())


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 file` or `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_name(name: str) -> str:
    """Return the name of a file or a case on one line, what cannot be shown escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in name
    )
