"""Breadth: quotes in, snapshot out. Layer 1, pure: no I/O, no clock, no numpy.

`compute` counts one poll; `References` holds the session's frozen previous closes; `to_units` makes a source's
price an integer. A family of measures is one file: ratios, volume, trin, sentiment.
"""

from pipeline.breadth.prices import Market, to_units
from pipeline.breadth.references import References
from pipeline.breadth.snapshot import compute

__all__ = ["Market", "References", "compute", "to_units"]
