"""Fixtures of the scenarios; see lab.py for what a scenario is made of."""

import os
import subprocess
import time
import zlib

import pytest

import mcp_client
from gateway import Gateway
from lab import TOP, Lab

MODULE = "/sys/module/mptcpproxy"
BEGAN = time.monotonic()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "leaves_sessions: the MCP need not be without sessions at the end")


def one_variant_each(items, turn):
    """Of the variants of each test the one whose turn it is."""
    variants = {}
    for item in items:
        variants.setdefault(f"{item.fspath.basename} {item.originalname}", []).append(item)
    kept = {group[(zlib.crc32(name.encode()) + turn) % len(group)]
            for name, group in variants.items()}
    return ([item for item in items if item in kept],
            [item for item in items if item not in kept])


def pytest_collection_modifyitems(config, items):
    """Of whole files, one kernel runs all variants and the others one each, unless MCP_ALL is
    set: what depends on the kernel hardly depends on the variant."""
    kernel = os.environ.get("MCP_KERNEL")
    chosen = config.option.keyword or any("::" in word for word in config.args)
    if kernel == "6.12" or chosen or os.environ.get("MCP_ALL"):
        return
    kept, left = one_variant_each(items, turn=kernel == "debug")
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """MCP_SECONDS: whoever waits for the result does not wait longer."""
    limit = os.environ.get("MCP_SECONDS")
    if limit and time.monotonic() - BEGAN > int(limit):
        pytest.skip("no time was left for it")


def load_module():
    """Loads the module into the machine, once."""
    if not os.path.exists(MODULE):
        subprocess.run([TOP + "/tests/vm/insmod"], check=True)


@pytest.fixture(scope="session")
def module():
    load_module()


@pytest.fixture(scope="session")
def client_module():
    mcp_client.load()


def pytest_sessionfinish(session):
    """Nothing that a test left behind may keep the module in the kernel."""
    if not os.path.exists(MODULE):
        return
    mcp_client.unload()
    done = subprocess.run(["rmmod", "mptcpproxy"], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"\nthe module cannot be removed: {done.stderr}")
        session.exitstatus = 1


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The report of a failed test tells what the MCP thinks of it."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for laboratory in getattr(item, "labs", []):
            report.sections.append(("the MCP", laboratory.describe()))


@pytest.fixture
def make_lab(module, client_module, request):
    """A function that builds a laboratory: make_lab(paths=3)."""
    labs = request.node.labs = []

    def make(**kwargs):
        labs.append(Lab(**kwargs))
        return labs[-1]
    yield make
    try:
        for lab in labs:
            lab.close_ends()
            if not request.node.get_closest_marker("leaves_sessions"):
                lab.wait_idle()
    finally:
        for lab in labs:
            lab.remove()
        labs.clear()


@pytest.fixture(scope="session")
def gateway_machines(module, client_module):
    machines = Gateway()
    yield machines
    machines.remove()


@pytest.fixture
def gw(gateway_machines, request):
    """The gateway's laboratory; no MCP is up."""
    machines = gateway_machines
    request.node.labs = [machines]
    machines.begin()
    yield machines
    try:
        for name in "hgs":
            machines.ns[name].close_sockets()
        if not request.node.get_closest_marker("leaves_sessions"):
            machines.idle()
    finally:
        machines.reset()


@pytest.fixture
def lab(make_lab):
    """A laboratory with two paths; the MCP is down."""
    return make_lab()
