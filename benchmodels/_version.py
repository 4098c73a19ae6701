"""The version, also in pyproject.toml and CITATION.cff; a test holds them together."""

__version__ = "0.4.0"
