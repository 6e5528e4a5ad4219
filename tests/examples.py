"""On how many examples hypothesis tries a property: on few at every change, on all in `make test-slow`."""

import os

ALL = os.environ.get("NBANALYTICS_EXAMPLES") == "all"


def examples(number: int) -> int:
    """Return how many of a property's examples are drawn in this run; each run draws others."""
    return number if ALL else max(5, number * 2 // 5)
