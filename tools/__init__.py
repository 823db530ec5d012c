"""The maintainer's tools: small scripts, run as ``python -m tools.NAME`` from the top."""
