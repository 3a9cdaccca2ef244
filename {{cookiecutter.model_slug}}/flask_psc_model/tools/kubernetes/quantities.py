"""Amounts as Kubernetes writes them.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

import math
from decimal import Decimal


def format_memory(size: int) -> str:
    """Write a size with the largest binary unit that leaves it whole: `512Mi`, `2Gi`.

    `512M` would be 512,000,000 bytes there, less than `model.yaml` means by it.

    Args:
        size: in bytes.
    """
    for unit in ("", "Ki", "Mi", "Gi"):
        larger, rest = divmod(size, 1024)
        if rest:
            return f"{size}{unit}"
        size = larger
    return f"{size}Ti"


def format_cpus(cpus: float) -> str:
    """Write a number of processors: `2`, `500m`.

    Args:
        cpus: rounded up to the next thousandth, the least that can be asked for.
    """
    thousandths = math.ceil(Decimal(repr(cpus)) * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)
