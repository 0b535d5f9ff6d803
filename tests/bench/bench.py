#!/usr/bin/python3
"""Measures this module against what people use today, and against the limits.

usage: bench.py [--runs N] [--seconds S] [--only WAY,...] [--out DIR]
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

from world import CLIENT, LOAD, PROXY_PORT, GATEWAY_ADDRESS, SERVER_ADDRESS, WAYS, World, start

MEASURES = {
    "download-1": ["--connections", "1", "--size", "100000000000"],
    "download-16": ["--connections", "16", "--size", "100000000000"],
    "upload-1": ["--upload", "--connections", "1", "--size", "100000000000"],
    "upload-16": ["--upload", "--connections", "16", "--size", "100000000000"],
    "connections": ["--connections", "64", "--size", "1024"],
}


def busy():
    """Seconds that all CPUs together have worked."""
    with open("/proc/stat") as file:
        fields = [int(word) for word in file.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def measure(way, options, seconds):
    words = [LOAD, *[word for word in way.options if word == "--mptcp"], "get",
             SERVER_ADDRESS, str(way.port), *[word for word in way.options if word != "--mptcp"],
             "--proxy", GATEWAY_ADDRESS, "--proxy-port", str(PROXY_PORT),
             "--seconds", str(seconds), *options]
    # A program forwards whatever comes: it is the server.
    if "--by" not in words and hasattr(way, "process"):
        words[words.index(SERVER_ADDRESS)] = GATEWAY_ADDRESS
        words[words.index(str(way.port))] = str(PROXY_PORT)
    client = start(words, CLIENT, stdout=subprocess.PIPE)
    assert client.stdout.readline() == "begin\n", way.name
    before = busy()
    assert client.stdout.readline() == "end\n", way.name
    cpu = busy() - before
    result = json.loads(client.stdout.readline())
    client.wait()
    return {**result, "cpu": cpu}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--measures", default="")
    parser.add_argument("--out", default=os.environ.get("OUT", "."))
    options = parser.parse_args()
    ways = [WAYS[name] for name in options.only.split(",") if name] or list(WAYS.values())
    measures = [name for name in options.measures.split(",") if name] or list(MEASURES)
    rows = []
    with World():
        for number in range(options.runs):
            for way in ways:
                with way:
                    for name in measures:
                        row = measure(way, MEASURES[name], options.seconds)
                        rows.append({"run": number, "way": way.name, "measure": name, **row})
                        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    with open(pathlib.Path(options.out) / "bench.csv", "w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for name in measures:
        print(name)
        for way in ways:
            these = [row for row in rows if (row["way"], row["measure"]) == (way.name, name)]
            rate = [row["octets"] * 8e-6 / row["seconds"] for row in these]
            conns = [row["connections"] / row["seconds"] for row in these]
            per = [row["cpu"] * 1e9 / max(1, row["octets"]) for row in these]
            perc = [row["cpu"] * 1e6 / max(1, row["connections"]) for row in these]
            print(f"  {way.name:<20} {statistics.median(rate):8.0f} Mbit/s "
                  f"{statistics.median(conns):7.0f} conn/s  {statistics.median(per):6.2f} ns/B "
                  f"{statistics.median(perc):8.0f} us/conn  failed "
                  f"{sum(row['failed'] for row in these)} first "
                  f"{statistics.median(row['first_us'] for row in these):.0f} us")


main()
