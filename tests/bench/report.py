"""From measurements to tables, plots, and what they must reach."""

import csv
import math
import os
import pathlib
import statistics
import subprocess

from ways import PEERS, WAYS

BULK = ("download-1", "download-16", "upload-1", "upload-16")
MODULE, WITHDRAWN = "mptcpproxy", "mptcpproxy, withdrawn"
ROUTED, BOTH = "routed, TCP", "routed, MPTCP both"
MASQUERADING, MASQUERADING_BOTH = "masquerading, MPTCP client", "masquerading, MPTCP both"
# Bars of the plots, and their labels.
SHOWN = {ROUTED: "routed TCP", MASQUERADING: "NAT", WITHDRAWN: "mptcpproxy\\nwithdrawn",
         MODULE: "mptcpproxy", **{peer: peer for peer in PEERS}}
# Measures, and a quantity of each, that the smoke test looks at.
SMOKE = (("download-16", "mbit"), ("upload-16", "mbit"), ("connections", "conn_s"))
PROGRAMS = {"nginx": "nginx-light", "HAProxy": "haproxy", "dante": "dante-server",
            "socat": "socat"}


class Figures:
    """Medians and spreads of what was measured, and what follows from them.

    How fast the machine is changes with the time. So only what was measured in the same run
    is put in relation, run by run.
    """

    def __init__(self, rows):
        self.values = {}
        for run, measure, way, quantity, value in rows:
            self.values.setdefault((measure, way, quantity), {})[run] = value

    def runs(self, measure, way, quantity, alone=False):
        """What was measured, by run; `alone`: of the gateway itself, without what the ends
        take when it only routes."""
        values = self.values.get((measure, way, quantity), {})
        if not alone:
            return values
        ends = self.values.get((measure, WAYS[way].baseline, quantity), {})
        return {run: values[run] - ends[run] for run in values if run in ends}

    def all(self, *args, **kwargs):
        """Of every run; empty if it was not measured."""
        return list(self.runs(*args, **kwargs).values())

    def get(self, *args, **kwargs):
        """The median; None if it was not measured."""
        values = self.all(*args, **kwargs)
        return statistics.median(values) if values else None

    def best(self, choose, measure, quantity, alone=False):
        """The proxy in userspace that is the best, by its median; None without any."""
        values = [(self.get(measure, way, quantity, alone), way) for way in PEERS]
        values = [pair for pair in values if pair[0] is not None]
        return choose(values)[1] if values else None

    def ratios(self, one, other, alone=False):
        """Of two quantities, (measure, way, quantity), in each run. Noise may leave nothing of
        the other one: then the ratio is worse than any."""
        ones, others = self.runs(*one, alone), self.runs(*other, alone)
        return [ones[run] / others[run] if others[run] > 0 else math.inf
                for run in ones if run in others]


class Bounds(list):
    """Rows of (figure, value, bound, holds)."""

    def ratio(self, what, values, least=None, most=None):
        """Their median counts. Nothing without any: something was not measured."""
        if not values:
            return
        value = statistics.median(values)
        text = cell(values, 2)
        if least is not None:
            self.append((what, text, f">= {least}", value >= least))
        else:
            self.append((what, text, f"<= {most}", value <= most))

    def octets(self, what, value, most):
        if value is not None:
            self.append((what, f"{value:.0f}", f"<= {most}", value <= most))


def bounds(figures):
    """What the module must reach, and whether it does."""
    made = Bounds()

    def peer(what, choose, measure, quantity, alone=False, **bound):
        """To the best of the proxies."""
        name = figures.best(choose, measure, quantity, alone)
        if name:
            made.ratio(f"{what}, to the best proxy's ({name})",
                       figures.ratios((measure, MODULE, quantity), (measure, name, quantity),
                                      alone), **bound)

    def other(what, measure, quantity, way, name, module=MODULE, **bound):
        """To another way."""
        made.ratio(f"{what}, to {name}", figures.ratios((measure, module, quantity),
                                                        (measure, way, quantity)), **bound)

    for measure in BULK:
        peer(f"{measure}: rate", max, measure, "mbit", least=1.3)
        if measure.endswith("16"):
            other(f"{measure}: rate", measure, "mbit", ROUTED, "routed TCP", least=0.75)
        peer(f"{measure}: gateway's CPU time per octet", min, measure, "ns_octet", alone=True,
             most=0.5)
        other(f"{measure}: rate when withdrawn", measure, "mbit", MASQUERADING_BOTH,
              "masquerading", WITHDRAWN, least=0.95)
    peer("connections/s", max, "connections", "conn_s", least=1.3)
    other("connections/s", "connections", "conn_s", MASQUERADING, "masquerading", least=0.8)
    peer("gateway's CPU time per connection", min, "connections", "us_conn", alone=True,
         most=0.5)
    other("connections/s when withdrawn", "connections", "conn_s", MASQUERADING_BOTH,
          "masquerading", WITHDRAWN, least=0.95)
    other("time to the first octet", "first-octet", "first_ms", MASQUERADING, "masquerading",
          most=1.02)
    paths = figures.ratios(("two-paths", MODULE, "mbit"), ("two-paths", ROUTED, "mbit"))
    made.ratio("two paths of 100 Mbit/s, to twice what one carries",
               [ratio / 2 for ratio in paths], least=0.93)
    peer("memory of an idle session", min, "memory", "octets", alone=True, most=0.6)
    made.octets("octets of an idle session beyond its two sockets",
                figures.get("memory", MODULE, "own_octets"), 1024)
    made.octets("octets of a half-open session",
                figures.get("half-open", MODULE, "own_octets"), 512)
    crowds = sorted({measure for measure, *_ in figures.values if measure.startswith("crowd-")},
                    key=lambda name: int(name.split("-")[1]))
    if len(crowds) == 2:
        few, many = crowds
        for quantity, what in ("conn_s", "connections/s"), ("mbit", "download-16: rate"):
            # The runs are not the same: first those with few, then those with many.
            made.ratio(f"{what} beside {many.split('-')[1]} sessions, to beside "
                       f"{few.split('-')[1]}",
                       [figures.get(many, MODULE, quantity) / figures.get(few, MODULE, quantity)],
                       least=0.9)
    return made


def smoke_holds(measured, peer):
    """Is the module not far behind a proxy in userspace? In margins so wide that a busy
    machine does not matter."""
    holds = True
    for measure, _ in SMOKE:
        ratio = measured[MODULE][measure] / measured[peer][measure]
        held = ratio > 0.4
        print(f"{measure}: {ratio:.2f} of what {peer} does: {'ok' if held else 'FAILED'}")
        holds = holds and held
    return holds


# ------------------------------------------------------------------ writing

def cell(values, digits=0):
    """A median and between what all runs lie."""
    if not values:
        return ""
    text = f"{statistics.median(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f}-{max(values):.{digits}f})"
    return text


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False)
    return done.stdout or "?"


def machine():
    """What it ran on."""
    model = "?"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    programs = ", ".join(f"{name} {version(package)}" for name, package in PROGRAMS.items())
    return (f"Linux {os.uname().release}, {os.cpu_count()} CPUs ({model}), {memory} MiB. "
            f"{programs}; mptcpize {version('mptcpize')}.")


def tables(figures):
    """The Markdown tables."""
    yield "Throughput in Mbit/s: median of the runs (and their range).\n"
    yield table(["", *BULK],
                [[way, *(cell(figures.all(measure, way, "mbit")) for measure in BULK)]
                 for way in WAYS if any(figures.all(m, way, "mbit") for m in BULK)])
    yield "CPU time of the gateway alone, in nanoseconds per octet.\n"
    yield table(["", *BULK],
                [[way, *(cell(figures.all(measure, way, "ns_octet", True), 1) for measure in BULK)]
                 for way in WAYS if any(figures.all(m, way, "ns_octet", True) for m in BULK)])
    yield ("New connections, with a response of 1 KiB: per second, and the CPU time of the "
           "gateway alone.\n")
    yield table(["", "connections/s", "µs per connection", "failed"],
                [[way, cell(figures.all("connections", way, "conn_s")),
                  cell(figures.all("connections", way, "us_conn", True)),
                  f"{sum(figures.all('connections', way, 'failed')):.0f}"]
                 for way in WAYS if figures.all("connections", way, "conn_s")])
    parts = [figures.get("connections", way, "us_conn") for way in (ROUTED, BOTH, MODULE)]
    if None not in parts:
        plain, both, session = parts
        yield (f"A session is two connections. With both their ends, and only routed, one of "
               f"MPTCP takes {both:.0f} µs of all CPUs, one of TCP {plain:.0f} µs, together "
               f"{both + plain:.0f} µs; a session of mptcpproxy with both its ends takes "
               f"{session:.0f} µs.\n")
    yield "To the first octet of a response, with 20 ms + 20 ms of round trip.\n"
    yield table(["", "ms"], [[way, cell(figures.all("first-octet", way, "first_ms"), 1)]
                             for way in WAYS if figures.all("first-octet", way, "first_ms")])
    yield "Over two paths of 100 Mbit/s each.\n"
    yield table(["", "Mbit/s"], [[way, cell(figures.all("two-paths", way, "mbit"))]
                                 for way in WAYS if figures.all("two-paths", way, "mbit")])
    yield "Memory of an idle session, without that of its ends.\n"
    yield table(["", "octets", "of them, sockets of Linux'"],
                [[way, *(cell(figures.all("memory", way, quantity, True))
                         for quantity in ("octets", "sockets"))]
                 for way in WAYS if figures.all("memory", way, "octets", True)])


def write(rows, directory):
    """results.csv, results.md and the plots."""
    out = pathlib.Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "results.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("run", "measure", "way", "quantity", "value"))
        writer.writerows((*row[:4], f"{row[4]:.6g}") for row in rows)
    figures = Figures(rows)
    made = bounds(figures)
    verdicts = table(["figure", "measured", "bound", ""],
                     [[what, value, bound, "" if holds else "**missed**"]
                      for what, value, bound, holds in made])
    text = "\n".join(["# Results\n", machine() + "\n", *tables(figures),
                      "What the module must reach.\n", verdicts])
    (out / "results.md").write_text(text)
    print(text)
    plot(figures, out)


PANELS = {
    "throughput": ("Mbit/s, 16 connections", "download-16", "mbit", False),
    "cpu-octet": ("gateway's CPU time: ns per octet, download", "download-16", "ns_octet", True),
    "connections": ("connections per second, 1 KiB each", "connections", "conn_s", False),
    "cpu-connection": ("gateway's CPU time: µs per connection", "connections", "us_conn", True),
}


def panel(figures, title, measure, quantity, alone):
    """gnuplot commands that draw bars, with the range of the runs."""
    lines = []
    for way, label in SHOWN.items():
        values = figures.all(measure, way, quantity, alone)
        if values and not (alone and way == ROUTED):
            lines.append(f'"{label}" {statistics.median(values):.4g} {min(values):.4g} '
                         f'{max(values):.4g} {0x1f77b4 if MODULE in way else 0xb0b0b0}')
    if not lines:
        return ""
    data = "\n".join(lines)
    return (f'$data << EOD\n{data}\nEOD\nset title "{title}"\n'
            "plot $data using 0:2:(0.7):5:xtic(1) with boxes lc rgb variable, "
            "$data using 0:2:3:4 with yerrorbars lc rgb 'black' pt 0\n")


def plot(figures, out):
    """Each panel as a file, and all of them in overview.svg."""
    common = ("set encoding utf8\nset style fill solid\nset yrange [0:*]\nunset key\n"
              "set grid ytics\nset xtics rotate by -40\nset border 3\nset tics nomirror out\n")
    panels = {name: panel(figures, *what) for name, what in PANELS.items()}
    if not all(panels.values()):
        return
    script = "".join(f'set terminal svg size 520,360\nset output "{out}/{name}.svg"\n'
                     f"{common}{commands}unset output\n" for name, commands in panels.items())
    script += (f'set terminal svg size 1000,720\nset output "{out}/overview.svg"\n{common}'
               "set multiplot layout 2,2\n" + "".join(panels.values()) +
               "unset multiplot\nunset output\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
