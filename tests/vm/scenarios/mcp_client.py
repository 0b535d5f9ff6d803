"""The kernel module mcp_client (tests/vm/modules), which puts requests into SYNs."""

import glob
import os
import subprocess

TOP = os.path.abspath(os.path.dirname(__file__) + "/../../..")
MODULE = "/sys/module/mcp_client"


def path():
    """Where it is for this kernel; built here, slowly, if nobody has done so."""
    release = os.uname().release
    made = f"{TOP}/build/{release}/mcp_client/mcp_client.ko"
    if os.path.exists(made):
        return made
    print("mcp_client is not built: run make -C tests/vm/modules KDIR=...")
    subprocess.run(["make", "-s", "-C", TOP + "/tests/vm/modules", "BUILD=/tmp/build",
                    f"KDIR={kernel_directory(release)}"], check=True)
    return f"/tmp/build/{release}/mcp_client/mcp_client.ko"


def kernel_directory(release):
    """What modules for this kernel are built against."""
    for name in glob.glob("/root/.cache/mptcpproxy/kernel-*/release"):
        with open(name) as file:
            if file.read().strip() == release:
                return os.path.dirname(name) + "/tree"
    return f"/lib/modules/{release}/build"


def load():
    if not os.path.exists(MODULE):
        subprocess.run(["insmod", path()], check=True)


def unload():
    if os.path.exists(MODULE):
        subprocess.run(["rmmod", "mcp_client"], check=True)
