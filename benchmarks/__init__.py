"""Timings of the kernels beside their peers: ``python -m benchmarks`` or ``make bench``."""
