"""A test result that shows a failure once, where two classes run the same tests."""

import re
from functools import partial
from typing import Any, Callable, Dict, Tuple

#: What differs from one run to the next: temporary folders, staging folders, addresses.
_RANDOM = re.compile(r"\btmp\w{8}\b|\.psc-[^/\s'\"]+|\b0x[0-9a-f]+")

#: The class that has shown a failure.
_SHOWN: Dict[Tuple[Any, ...], str] = {}


class FirstFailures:
    """A test result in which a failure that another class has had is a skip.

    It is the same failure if the function of the test, the case and the message are.
    """

    def __init__(self, result: Any) -> None:
        """Choose where the results go.

        Args:
            result: of `unittest` or of another runner, which may have less.
        """
        self._result = result

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._result, name)
        if name in ("addError", "addFailure", "addSubTest"):
            return partial(self._add, method)
        return method

    def _add(self, add: Callable[..., None], test: Any, *args: Any) -> None:
        shown, error = (test, *args)[-2:]
        # a subtest that passes has none
        first = _find_first(test, shown, error) if error else ""
        if first:
            self._result.addSkip(shown, f"fails as in {first}")
        else:
            add(test, *args)


def _find_first(test: Any, shown: Any, error: Tuple[Any, Any, Any]) -> str:
    """Return the other class that has had a failure, nothing if there is none."""
    cls = type(test)
    params = sorted(map(str, getattr(shown, "params", {}).items()))
    message = _RANDOM.sub("", f"{error[0].__name__}: {error[1]}")
    function = getattr(cls, test.id().rpartition(".")[2], None)
    key = (function, *params, message)
    first = _SHOWN.setdefault(key, cls.__qualname__)
    return "" if first == cls.__qualname__ else first
