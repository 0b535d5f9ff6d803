#!/usr/bin/python3
"""Measures this module against what people use today, and against the limits.

usage: bench.py [--runs N] [--seconds S] [--only TEXT]... [--measures NAME,...] [--out DIR]
                [--smoke]

Writes results.csv, results.md and plots to DIR. With --smoke it only asserts, in wide
margins, that the module is not far behind a proxy in userspace; the exit status tells.
"""

import argparse
import collections
import functools
import os
import signal
import sys
import time

import measures
import report
from ways import PEERS, WAYS
from world import World, exists

# What is measured of which ways. They take turns, run after run.
EACH = {
    "download-1": functools.partial(measures.bulk, connections=1),
    "download-16": functools.partial(measures.bulk, connections=16),
    "upload-1": functools.partial(measures.bulk, connections=1, upload=True),
    "upload-16": functools.partial(measures.bulk, connections=16, upload=True),
    "connections": measures.short,
}
FEW = {
    "first-octet": (measures.first_octet,
                    ("masquerading, MPTCP client", "mptcpproxy", "nginx", "dante")),
    "two-paths": (measures.two_paths, ("routed, TCP", "mptcpproxy", "nginx", "HAProxy")),
}
MEMORY = ("routed, MPTCP client", "mptcpproxy", "nginx", "HAProxy")
MEMORY_RUNS = 3
HELD, CROWD, FEW_HELD = 2000, 20_000, 100
# The load's client has no more than 512 under way that the server has not answered.
HALF_OPEN = 500


class Results(list):
    """Rows of (run, measure, way, quantity, value)."""

    def take(self, run, measure, way, quantities):
        for quantity, value in quantities.items():
            self.append((run, measure, way, quantity, value))
        text = ", ".join(f"{name} {value:.4g}" for name, value in quantities.items())
        print(f"{time.strftime('%T')}  {run}  {measure:<12} {way:<27} {text}", file=sys.stderr,
              flush=True)


def take_turns(results, ways, options):
    """Rates and times, every way in every run."""
    for run in range(options.runs):
        for name in ways:
            way = WAYS[name]
            with way:
                for measure, function in EACH.items():
                    if measure in options.measures:
                        results.take(run, measure, name, function(way, options.seconds))
                for measure, (function, some) in FEW.items():
                    if measure in options.measures and name in some:
                        results.take(run, measure, name, function(way, options.seconds))


def take_memory(results, ways, options):
    """Memory does not depend on how busy the machine is: a few runs are enough."""
    for run in range(min(options.runs, MEMORY_RUNS)):
        for name in MEMORY:
            if name in ways and "memory" in options.measures:
                with WAYS[name] as way:
                    results.take(run, "memory", name, measures.memory(way, HELD))
    if "mptcpproxy" in ways and "half-open" in options.measures:
        with WAYS["mptcpproxy"] as way:
            results.take(0, "half-open", "mptcpproxy", measures.half_open(way, HALF_OPEN))


def take_crowd(results, ways, options):
    """The module with many sessions, and with few."""
    if "mptcpproxy" not in ways or "crowd" not in options.measures:
        return
    for number in FEW_HELD, CROWD:
        with WAYS["mptcpproxy"] as way:
            try:
                seen = measures.crowd(way, options.seconds, number, options.runs)
            except RuntimeError as error:
                print(f"bench: {number} sessions: {error}", file=sys.stderr)
                return
            for run, quantities in enumerate(seen):
                results.take(run, f"crowd-{number}", "mptcpproxy", quantities)


def smoke():
    """A few seconds a figure, the better of two runs: in the first one, an emulated machine
    translates its programs. False if something is far from what it should be."""
    measured = collections.defaultdict(dict)
    for _ in range(2):
        for name in "mptcpproxy", "nginx":
            with WAYS[name] as way:
                for measure, quantity in report.SMOKE:
                    value = EACH[measure](way, 1.5)[quantity]
                    measured[name][measure] = max(value, measured[name].get(measure, 0))
                    print(f"{name}: {measure} {value:.4g}", flush=True)
    return report.smoke_holds(measured, *PEERS[:1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    every = [*EACH, *FEW, "memory", "half-open", "crowd"]
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", action="append",
                        help="ways whose name has this in it; may be given again")
    parser.add_argument("--measures", default=",".join(every))
    parser.add_argument("--out", default=os.environ.get("OUT", "."))
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    options.measures = options.measures.split(",")
    for name in set(options.measures) - set(every):
        parser.error(f"no measure {name}; there are {', '.join(every)}")
    ways = [name for name in WAYS if any(text in name for text in options.only or [""])]
    if exists():
        sys.exit(f"bench: there are namespaces {', '.join(exists())}: another run? "
                 "Else: ip netns del NAME")
    # As Ctrl-C does: clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = Results()
    with World():
        if options.smoke:
            sys.exit(0 if smoke() else 1)
        try:
            take_memory(results, ways, options)
            take_turns(results, ways, options)
            take_crowd(results, ways, options)
        finally:
            report.write(results, options.out)


if __name__ == "__main__":
    main()
