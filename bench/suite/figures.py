"""Numbers about numbers."""

import statistics
import sys

from suite.machine import root

sys.path.append(str(root() / "bench" / "peers"))
from tolerances import agrees  # noqa: E402,F401


def summary(samples):
    """Median, quartiles, least and number of at least one sample."""
    low, middle, high = (statistics.quantiles(samples, n=4, method="inclusive")
                         if len(samples) > 1 else samples * 3)
    return {"median": middle, "quartile_1": low, "quartile_3": high, "least": min(samples),
            "n": len(samples)}


def ratio(numerator, denominator):
    """None where one is missing or zero."""
    return numerator / denominator if numerator and denominator else None


def roofline(flops, moved_bytes, seconds, peaks):
    """Shares of the peaks (peaks: flops and bytes per second), and which bounds: the larger one."""
    shares = {"of_flops": flops / seconds / peaks["flops"],
              "of_bandwidth": moved_bytes / seconds / peaks["bandwidth"]}
    bound = "flops" if shares["of_flops"] >= shares["of_bandwidth"] else "bytes"
    return shares | {"bound": bound if flops or moved_bytes else "neither"}
