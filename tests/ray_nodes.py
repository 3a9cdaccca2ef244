"""A Ray cluster of several nodes on this machine; it runs in an environment that has Ray.

    python ray_nodes.py

prints its address on a line. A line on standard input kills a node, as the loss of a machine
would, and is answered with a line. At the end of the input the cluster ends.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

MEMORY = 80 * 1024**2
NODES = 2


def main() -> None:
    """Start the cluster and do what the input says."""
    head = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(NODES)]
        print("address", cluster.address, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            print("killed", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
