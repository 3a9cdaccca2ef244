"""The points of the checklist, in the best order to close them."""

from functools import partial
from typing import List

from .example import find_code, find_texts
from .image import find_uncopied, find_unpinned
from .metadata import (
    find_schema_problems,
    find_short_health_check,
    find_unmeasured,
)
from .point import Point
from .suite import COMMAND, find_failures


def make_points(timeout: int) -> List[Point]:
    """Return the points.

    Args:
        timeout: seconds that the tests may take.
    """
    tests = partial(find_failures, timeout=timeout)
    return [
        Point("model.yaml follows model.schema.json", find_schema_problems),
        Point("model.yaml describes your model", find_texts),
        Point("your model replaces the example", find_code),
        Point("every requirement is pinned", find_unpinned),
        Point("there are test cases, and they pass", tests, "running " + COMMAND),
        Point("the Dockerfile copies what the code imports", find_uncopied),
        Point("resources and timeout are measured", find_unmeasured),
        Point("the health check waits for timeout.status", find_short_health_check),
    ]
