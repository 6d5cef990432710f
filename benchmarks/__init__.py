"""Measures a call and its alternatives: `python -m benchmarks` (Linux, nginx, Redis)."""
