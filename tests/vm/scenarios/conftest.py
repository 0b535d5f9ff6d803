"""Fixtures of the scenarios; see lab.py for what a scenario is made of."""

import os
import subprocess

import pytest

import mcp_client
from gateway import Gateway
from lab import TOP, Lab

MODULE = "/sys/module/mptcpproxy"


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "leaves_sessions: the MCP need not be without sessions at the end")


def each_value_once(items):
    """Of the variants of each test as few as have each value of each parameter."""
    seen, kept, left = set(), [], []
    for item in items:
        call = getattr(item, "callspec", None)
        values = {(item.fspath, item.originalname, name, str(value))
                  for name, value in call.params.items()} if call else {item.nodeid}
        (left if values <= seen else kept).append(item)
        seen |= values
    return kept, left


def pytest_collection_modifyitems(config, items):
    """What one kernel runs in all variants, the others run in some, unless MCP_ALL is set:
    the debug kernel is slow, and what depends on a kernel does not depend on each."""
    if os.environ.get("MCP_KERNEL") == "6.12" or os.environ.get("MCP_ALL"):
        return
    kept, left = each_value_once(items)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


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
