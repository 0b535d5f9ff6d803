"""The kernel module mcp_client (tests/vm/modules), which puts requests into SYNs.

`make test-modules` builds it beside the module; tests/vm/run sees to that.
"""

import os
import subprocess

MODULE = "/sys/module/mcp_client"


def load():
    if not os.path.exists(MODULE):
        path = os.path.dirname(os.environ["MCP_KO"]) + "/mcp_client/mcp_client.ko"
        subprocess.run(["insmod", path], check=True)


def unload():
    if os.path.exists(MODULE):
        subprocess.run(["rmmod", "mcp_client"], check=True)
