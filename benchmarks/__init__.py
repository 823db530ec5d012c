"""Measured comparisons with other packages; run with ``make bench``."""
