"""From measurements to tables, plots, and what they must reach."""

import csv
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
PROGRAMS = {"nginx": "nginx-light", "HAProxy": "haproxy", "dante": "dante-server",
            "socat": "socat"}


class Figures:
    """Medians and spreads of what was measured, and what follows from them."""

    def __init__(self, rows):
        self.values = {}
        for _, measure, way, quantity, value in rows:
            self.values.setdefault((measure, way, quantity), []).append(value)

    def all(self, measure, way, quantity):
        """Of every run; empty if it was not measured."""
        return self.values.get((measure, way, quantity), [])

    def alone(self, measure, way, quantity):
        """What the gateway itself takes in every run: without the median of what the ends
        take."""
        ends = self.get(measure, WAYS[way].baseline, quantity)
        return [] if ends is None else [all - ends for all in self.all(measure, way, quantity)]

    def get(self, measure, way, quantity, alone=False):
        """The median; None if it was not measured."""
        values = (self.alone if alone else self.all)(measure, way, quantity)
        return statistics.median(values) if values else None

    def best(self, choose, measure, quantity, alone=False):
        """The best of the proxies in userspace: (value, name), or None."""
        values = [(self.get(measure, way, quantity, alone), way) for way in PEERS]
        values = [pair for pair in values if pair[0] is not None]
        return choose(values) if values else None


class Bounds(list):
    """Rows of (figure, value, bound, holds)."""

    def ratio(self, what, one, other, least=None, most=None):
        """`one` to `other`, both medians; nothing if one was not measured."""
        if one is None or not other:
            return
        value = one / other
        if least is not None:
            self.append((what, f"{value:.2f}", f">= {least}", value >= least))
        else:
            self.append((what, f"{value:.2f}", f"<= {most}", value <= most))

    def octets(self, what, value, most):
        if value is not None:
            self.append((what, f"{value:.0f}", f"<= {most}", value <= most))


def bounds(figures):
    """What the module must reach, and whether it does."""
    made = Bounds()

    def peer(choose, *args, **kwargs):
        best = figures.best(choose, *args, **kwargs)
        return best if best else (None, "")

    for measure in BULK:
        rate = figures.get(measure, MODULE, "mbit")
        best, name = peer(max, measure, "mbit")
        made.ratio(f"{measure}: rate, to the best proxy's ({name})", rate, best, least=1.3)
        if measure.endswith("16"):
            made.ratio(f"{measure}: rate, to routed TCP",
                       rate, figures.get(measure, ROUTED, "mbit"), least=0.75)
        best, name = peer(min, measure, "ns_octet", alone=True)
        made.ratio(f"{measure}: gateway's CPU time per octet, to the best proxy's ({name})",
                   figures.get(measure, MODULE, "ns_octet", alone=True), best, most=0.5)
        made.ratio(f"{measure}: rate when withdrawn, to masquerading",
                   figures.get(measure, WITHDRAWN, "mbit"),
                   figures.get(measure, MASQUERADING_BOTH, "mbit"), least=0.95)
    rate = figures.get("connections", MODULE, "conn_s")
    best, name = peer(max, "connections", "conn_s")
    made.ratio(f"connections/s, to the best proxy's ({name})", rate, best, least=1.3)
    made.ratio("connections/s, to masquerading", rate,
               figures.get("connections", MASQUERADING, "conn_s"), least=0.8)
    best, name = peer(min, "connections", "us_conn", alone=True)
    made.ratio(f"gateway's CPU time per connection, to the best proxy's ({name})",
               figures.get("connections", MODULE, "us_conn", alone=True), best, most=0.5)
    made.ratio("connections/s when withdrawn, to masquerading",
               figures.get("connections", WITHDRAWN, "conn_s"),
               figures.get("connections", MASQUERADING_BOTH, "conn_s"), least=0.95)
    made.ratio("time to the first octet, to masquerading",
               figures.get("first-octet", MODULE, "first_ms"),
               figures.get("first-octet", MASQUERADING, "first_ms"), most=1.02)
    one_path = figures.get("two-paths", ROUTED, "mbit")
    made.ratio("two paths of 100 Mbit/s, to twice what one carries",
               figures.get("two-paths", MODULE, "mbit"), one_path and 2 * one_path, least=0.93)
    best, name = peer(min, "memory", "octets", alone=True)
    made.ratio(f"memory of an idle session, to the best proxy's ({name})",
               figures.get("memory", MODULE, "octets", alone=True), best, most=0.6)
    made.octets("octets of an idle session beyond its two sockets",
                figures.get("memory", MODULE, "own_octets"), 1024)
    made.octets("octets of a half-open session",
                figures.get("half-open", MODULE, "own_octets"), 512)
    crowds = sorted({measure for measure, *_ in figures.values if measure.startswith("crowd-")},
                    key=lambda name: int(name.split("-")[1]))
    if len(crowds) == 2:
        few, many = crowds
        for quantity, what in ("conn_s", "connections/s"), ("mbit", "download-16: rate"):
            made.ratio(f"{what} beside {many.split('-')[1]} sessions, to beside "
                       f"{few.split('-')[1]}",
                       figures.get(many, MODULE, quantity), figures.get(few, MODULE, quantity),
                       least=0.9)
    return made


def smoke_holds(measured, peer):
    """Is the module at least not far from where it should be? In margins so wide that a busy
    machine does not matter."""
    holds = True
    for measure, quantity in (("download-16", "mbit"), ("upload-16", "mbit"),
                              ("connections", "conn_s")):
        ratio = measured[MODULE][measure][quantity] / measured[peer][measure][quantity]
        held = ratio > 0.6
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
                [[way, *(cell(figures.alone(measure, way, "ns_octet"), 1) for measure in BULK)]
                 for way in WAYS if any(figures.alone(m, way, "ns_octet") for m in BULK)])
    yield ("New connections, with a response of 1 KiB: per second, and the CPU time of the "
           "gateway alone.\n")
    yield table(["", "connections/s", "µs per connection", "failed"],
                [[way, cell(figures.all("connections", way, "conn_s")),
                  cell(figures.alone("connections", way, "us_conn")),
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
    yield table(["", "octets"], [[way, cell(figures.alone("memory", way, "octets"))]
                                 for way in WAYS if figures.alone("memory", way, "octets")])


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
        values = (figures.alone if alone else figures.all)(measure, way, quantity)
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
