"""Benchmarks: `python -m bench` measures homing against Postfix on this machine and writes docs/benchmarks.md."""
