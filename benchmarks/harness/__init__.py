"""The parts of the benchmark; `benchmarks/run.py` puts them together."""
