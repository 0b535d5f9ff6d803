"""pytest plugin: holds each test against the kernel log.

A test in whose time the kernel complained fails, and a failed test's report
carries what the kernel logged meanwhile.
"""

import os
import re

import pytest

COMPLAINT = re.compile(os.environ.get("MCP_SPLATS", "BUG:|WARNING:"))


class KernelLog:
    """What the kernel has logged since the last look."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def new_lines(self):
        """Each record is `priority,number,microseconds,flags;text`, followed
        by lines about the device that are of no interest."""
        lines = []
        while True:
            try:
                record = os.read(self.fd, 8192)
            except BlockingIOError:
                return lines
            except BrokenPipeError:     # overwritten meanwhile
                lines.append("(lines lost)")
                continue
            head, _, text = record.decode(errors="replace").partition(";")
            seconds = int(head.split(",")[2]) / 1e6
            lines.append(f"[{seconds:12.6f}] {text.splitlines()[0]}")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.kernel_log = KernelLog()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    lines = getattr(item, "kernel_lines", [])
    new = item.config.kernel_log.new_lines()
    item.kernel_lines = lines + new
    if report.passed and any(COMPLAINT.search(line) for line in new):
        report.outcome = "failed"
        report.longrepr = "the kernel complained, see its log"
    if report.failed:
        report.sections.append(("kernel log", "\n".join(item.kernel_lines)))
