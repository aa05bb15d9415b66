"""The figures of DESIGN section 7 that concern rates: ``python -m benchmarks``."""
