"""One module for each question that the benchmarks ask; each has `NAME`, and `run(plan)` which returns a result."""
