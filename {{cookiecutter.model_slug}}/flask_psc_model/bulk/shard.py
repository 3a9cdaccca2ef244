"""A shard: the jobs of one of several bulk runs that share them."""

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Optional

#: Set by Kubernetes in the pods of an Indexed Job:
#: https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"

#: Set by our manifests, to the `completions` of that Job.
COUNT_VARIABLE = "PSC_SHARD_COUNT"

#: The most pods that an Indexed Job may have.
MAX_SHARDS = 100000


@dataclass(frozen=True)
class Shard:
    """One of several parts of all jobs, by a hash of their names.

    Attributes:
        index: of the shard, from 0 on.
        count: of all shards.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard such as `0/4`, the first of four.

        Raises:
            ValueError: the text is not a shard.
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
        """Return the shard of a pod of an Indexed Job, None outside of one.

        Raises:
            ValueError: one variable is missing, or they do not make a shard.
        """
        index = os.environ.get(INDEX_VARIABLE, "")
        count = os.environ.get(COUNT_VARIABLE, "")
        if not index and not count:
            return None
        try:
            return cls.parse(f"{index}/{count}")
        except ValueError:
            raise ValueError(
                f"{INDEX_VARIABLE} is {index!r} and {COUNT_VARIABLE} is {count!r}: set"
                f" {COUNT_VARIABLE} to the number of pods, or pass --shard"
            ) from None

    def has(self, name: str) -> bool:
        """Return whether a job belongs to this shard."""
        return hash_text(name) % self.count == self.index


def hash_text(text: str) -> int:
    """Return 8 bytes that stand for a text, on every machine the same."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
