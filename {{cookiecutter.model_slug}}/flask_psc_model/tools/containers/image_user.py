"""The user that a Dockerfile names for its containers."""

import os
import re
from typing import NamedTuple, Optional

from ..dockerfile import DOCKERFILE, list_instructions
from ..files import read_text

#: The names of root in a `USER` instruction.
ROOT = ("root", "0")

#: The largest id that Docker and Kubernetes accept.
MAX_ID = 2**31 - 1


class ImageUser(NamedTuple):
    """Who the containers of an image run as, by their ids.

    Attributes:
        user: the id of the user.
        group: the id of the group; None for the group that the image gives the user.
    """

    user: int
    group: Optional[int] = None

    @classmethod
    def parse(cls, text: str) -> "ImageUser":
        """Return the user of a `USER` instruction.

        Args:
            text: what follows the keyword: `root`, `1000`, `1000:1000`.

        Raises:
            ValueError: a name other than root, whose id only the image knows.
        """
        ids = ["0" if part == "root" else part for part in text.split(":")]
        if len(ids) > 2 or not all(map(_is_id, ids)):
            raise ValueError(
                f"USER {text} is not an id: write ids, such as USER 1000:1000"
            )
        user, *groups = map(int, ids)
        # the account of root is in every image
        return cls(user, groups[0] if groups else 0 if user == 0 else None)


def read_user(folder: str) -> Optional[str]:
    """Return what the last `USER` of a folder's Dockerfile names.

    Returns:
        None without a Dockerfile; an empty text if its last stage has no `USER`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8.
    """
    path = os.path.join(folder, DOCKERFILE)
    if not os.path.exists(path):
        return None
    user = ""
    for keyword, arguments in list_instructions(read_text(path)):
        if keyword == "FROM":
            user = ""
        elif keyword == "USER":
            user = " ".join(arguments.split())
    return user


def is_root(user: str) -> bool:
    """Return whether a `USER` instruction names root."""
    return user.split(":")[0] in ROOT


def _is_id(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,10}", text)) and int(text) <= MAX_ID
