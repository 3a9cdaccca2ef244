"""One job: its inputs, its run, and outputs that all arrive or none."""
