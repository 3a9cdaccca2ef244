"""The points of the checklist, in the best order to close them."""

from functools import partial
from typing import List

from .example import find_code, find_pages, find_texts
from .image import find_uncopied
from .metadata import (
    find_outdated_image,
    find_schema_problems,
    find_short_health_check,
    find_unmeasured,
)
from .point import Point
from .requirements import find_private_indexes, find_unpinned
from .suite import COMMAND, find_failures
from .system_packages import find_unlisted


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
        Point("README.md and asset_bundle describe your model", find_pages),
        Point("every requirement and every import is pinned", find_unpinned),
        Point("no requirements file names a private index", find_private_indexes),
        Point("system-packages.txt has what the code calls", find_unlisted),
        Point("there are test cases, and they pass", tests, "running " + COMMAND),
        Point("the Dockerfile copies what the code needs", find_uncopied),
        Point("resources and timeout are measured", find_unmeasured),
        Point("the health check waits for timeout.status", find_short_health_check),
        Point("no measured image is out of date", find_outdated_image),
    ]
