"""A part of the jobs, for one of several bulk runs that share them."""

import os
import re
from typing import List, Optional, Sequence, TypeVar

#: Set by Kubernetes in the pods of an Indexed Job:
#: https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"

#: Set by us, to the completions of that Job.
COUNT_VARIABLE = "PSC_SHARD_COUNT"

#: The most pods that an Indexed Job may have at once.
MAX_SHARDS = 100000

Item = TypeVar("Item")


class Shard:
    """Every so many jobs.

    Attributes:
        index: from 0 on.
        count: of the shards.
    """

    def __init__(self, index: int, count: int) -> None:
        self.index = index
        self.count = count

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard such as `0/4`, the first of four.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", text.strip())
        if not match or not int(match.group(1)) < int(match.group(2)):
            raise ValueError(
                f"{text!r} is not a shard such as 0/4, the first of four, or 3/4, the"
                " last"
            )
        return cls(int(match.group(1)), int(match.group(2)))

    @classmethod
    def from_environment(cls) -> Optional["Shard"]:
        """Return the shard of a pod of an Indexed Job; nothing outside of one.

        Raises:
            ValueError: one variable is missing, or they make no shard.
        """
        index = os.environ.get(INDEX_VARIABLE)
        count = os.environ.get(COUNT_VARIABLE)
        if not index and not count:
            return None
        try:
            return cls.parse("{}/{}".format(index or "", count or ""))
        except ValueError:
            raise ValueError(
                "{} is {!r} and {} is {!r}: set the second to the number of pods, or"
                " give --shard".format(
                    INDEX_VARIABLE, index or "", COUNT_VARIABLE, count or ""
                )
            ) from None

    def select(self, items: Sequence[Item]) -> List[Item]:
        """Return the part of a sequence that is this shard's."""
        return list(items[self.index :: self.count])

    def suffix(self) -> str:
        """Return what sets its files apart from those of the others."""
        return "" if self.count == 1 else f"-{self.index}-of-{self.count}"
