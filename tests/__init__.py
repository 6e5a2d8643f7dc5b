"""Tests, in the same rooms as the package and one for each folder around it; ``support`` holds shared helpers."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
