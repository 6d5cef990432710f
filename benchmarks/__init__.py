"""What a call costs, beside the alternatives: `python -m benchmarks` (Linux, nginx, Redis)."""
