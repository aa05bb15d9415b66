"""Every figure of DESIGN section 7 that this version can show, measured: ``python -m benchmarks``."""
