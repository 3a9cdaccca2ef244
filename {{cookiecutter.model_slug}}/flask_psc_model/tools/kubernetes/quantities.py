"""Amounts as Kubernetes writes them.

See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

import math
from decimal import Decimal


def format_memory(size: int) -> str:
    """Return a size in the largest binary unit that keeps it whole: `512Mi`, `2Gi`.

    To Kubernetes, `512M` is 512,000,000 bytes, less than it is in `model.yaml`.

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
    """Return a number of CPUs: `2`, `500m`.

    Args:
        cpus: rounded up to the next thousandth, the smallest unit.
    """
    thousandths = math.ceil(Decimal(repr(cpus)) * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)
