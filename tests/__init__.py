"""The tests: a folder for each room of the package and for what stands around it; `support` holds what they share."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
