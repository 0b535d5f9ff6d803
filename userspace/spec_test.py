#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds docs/mptcpproxy.yaml and include/uapi/linux/mptcpproxy.h together.

Every enum of the header must be in the specification with the same members in
the same order, every attribute with the type that its comment names, every
command with the attributes that the table at the top of the header names. The
ranges and permissions of the specification must be those of the policies in
kmod/netlink.c.
"""

import re
import sys
from pathlib import Path

import yaml

# First words of an attribute's comment -> type in the specification.
TYPES = [
    (r"nest\b", {"type": "nest"}),
    (r"string\b", {"type": "string"}),
    (r"flag\b", {"type": "flag"}),
    (r"be16\b", {"type": "u16", "byte-order": "big-endian"}),
    (r"(u8|u16|u32|u64)\b", None),
    (r"(4 or 16 )?octets", {"type": "binary"}),
]


class Mismatch(Exception):
    pass


def read_enums(text):
    """{enum name: [(member, value, comment)]}, without the __ members."""
    enums = {}
    for name, body in re.findall(r"^enum (\w+) \{(.*?)\};", text, re.M | re.S):
        members = []
        value = 0
        for member, number, comment in re.findall(
            r"(\w+)(?:\s*=\s*(\d+))?\s*(?:,|$)[ \t]*(?:/\*(.*?)\*/)?", strip(body), re.S
        ):
            value = int(number) if number else value
            if not member.startswith("__"):
                members.append((member, value, " ".join(comment.split())))
            value += 1
        enums[name] = members
    return enums


def strip(body):
    """Without comments that stand on lines of their own."""
    return re.sub(r"^\s*/\*.*?\*/\s*$", "", body.strip(), flags=re.M)


def read_defines(text):
    return {
        name: value.strip('"')
        for name, value in re.findall(r"^#define (MCP_\w+)\s+(\"\w+\"|\d+)\s*$", text, re.M)
    }


def read_commands(text):
    """{command: (rest of its line)} of the table in the first long comment."""
    return dict(re.findall(r"^ \*\s+MCP_CMD_(\w+)\s+(.*)$", text, re.M))


def c_name(prefix, name):
    return (prefix + name).upper().replace("-", "_")


def entry_name(entry):
    return entry if isinstance(entry, str) else entry["name"]


def numbered(items, start, make):
    """[(C name, value)] with the specification's rule for values left out."""
    result = []
    value = start
    for item in items:
        if isinstance(item, dict):
            value = item.get("value", value)
        result.append((make(item), value))
        value += 1
    return result


def expect(what, header, spec):
    if header != spec:
        raise Mismatch(f"{what}:\n    header:        {header}\n    specification: {spec}")


def check_members(name, members, spec):
    expect(f"enum {name}", [(member, value) for member, value, _ in members], spec)


def header_type(member, comment):
    if member.endswith("_PAD"):
        return {"type": "pad"}
    for pattern, wanted in TYPES:
        found = re.match(pattern, comment)
        if found:
            return dict(wanted) if wanted else {"type": found.group(1)}
    raise Mismatch(f"{member}: its comment '{comment}' begins with no type")


def check_attribute(member, comment, attribute, spec):
    wanted = header_type(member, comment)
    expect(
        f"{member}, type",
        wanted,
        {key: attribute[key] for key in ("type", "byte-order") if key in attribute},
    )
    sets = {entry["name"]: entry for entry in spec["attribute-sets"]}
    enums = {entry["name"]: entry for entry in spec["definitions"]}
    named = re.search(r"enum (mcp_\w+)", comment)
    if attribute["type"] == "nest":
        nested = c_name("", sets[attribute["nested-attributes"]]["enum-name"]).lower()
        if named:
            expect(f"{member}, nest", named.group(1), nested)
    elif named or "enum" in attribute:
        enum = enums[attribute["enum"]]["enum-name"] if "enum" in attribute else None
        expect(f"{member}, enum", named and named.group(1).replace("_", "-"), enum)

    # Of several ranges, one for each family, the specification has the bounds.
    limits = re.findall(r"(?:\b|:)(\d+) to (\d+)", comment)
    if limits:
        checks = attribute.get("checks", {})
        expect(
            f"{member}, range",
            [min(int(low) for low, _ in limits), max(int(high) for _, high in limits)],
            [checks.get("min"), checks.get("max")],
        )
    default = re.search(r"default (\w+)", comment)
    if default and attribute["type"] != "nest":
        if not re.search(rf"[Dd]efault {default.group(1)}\b", attribute.get("doc", "")):
            raise Mismatch(f"{member}: the specification does not name the default {default.group(1)}")


def check_command(name, line, operation):
    kind = "dump" if "dump" in line else "event" if "multicast" in line else "do"
    if kind not in operation:
        raise Mismatch(f"command {name}: no '{kind}' in the specification")
    body = operation[kind] or {}
    named = set(re.findall(r"\b[A-Z][A-Z_]+\b", re.sub(r"\{.*?\}", "", line.split(";")[0])))
    known = {"UP", "VERSION", "SETTINGS", "ACL", "POOL", "SESSION", "SESSION_ID", "COUNT"}
    known |= {"STAT", "EVENT", "TIME", "MAPPING", "PEER", "INTERCEPT", "FORWARD"}
    attributes = set(body.get("attributes", []))
    for direction in ("request", "reply"):
        attributes |= set((body.get(direction) or {}).get("attributes", []))
    expect(
        f"command {name}, attributes",
        sorted(named & known),
        sorted(c_name("", attribute) for attribute in attributes),
    )
    direction = "reply" if kind == "dump" or "reply:" in line else "request"
    if kind != "event" and attributes and direction not in body:
        raise Mismatch(f"command {name}: its attributes belong in the {direction}")


def check(header, spec):
    enums = read_enums(header)
    defines = read_defines(header)
    if len(enums) < 2:
        raise Mismatch("found no enums in the header")

    expect("family name", defines["MCP_GENL_NAME"], spec["name"])
    expect("family version", int(defines["MCP_GENL_VERSION"]), spec["version"])
    groups = {
        c_name("", group["c-define-name"]): group["name"] for group in spec["mcast-groups"]["list"]
    }
    expect(
        "multicast groups",
        {name: value for name, value in defines.items() if "_MCGRP_" in name},
        groups,
    )
    for definition in spec["definitions"]:
        if definition["type"] == "const":
            name = c_name("mcp-", definition["name"])
            expect(name, defines.get(name), str(definition["value"]))

    seen = set()
    for definition in spec["definitions"]:
        if definition["type"] != "enum":
            continue
        name = definition["enum-name"].replace("-", "_")
        seen.add(name)
        prefix = definition["name-prefix"]
        check_members(
            name,
            enums.get(name, []),
            numbered(definition["entries"], 0, lambda entry, p=prefix: c_name(p, entry_name(entry))),
        )

    for attribute_set in spec["attribute-sets"]:
        name = attribute_set["enum-name"].replace("-", "_")
        seen.add(name)
        prefix = attribute_set["name-prefix"]
        members = [member for member in enums.get(name, []) if not member[0].endswith("_UNSPEC")]
        attributes = attribute_set["attributes"]
        check_members(
            name,
            members,
            numbered(attributes, 1, lambda entry, p=prefix: c_name(p, entry["name"])),
        )
        for (member, _, comment), attribute in zip(members, attributes):
            check_attribute(member, comment, attribute, spec)

    operations = spec["operations"]
    name = operations["enum-name"].replace("-", "_")
    seen.add(name)
    members = [member for member in enums.get(name, []) if not member[0].endswith("_UNSPEC")]
    prefix = operations["name-prefix"]
    check_members(
        name, members, numbered(operations["list"], 1, lambda entry: c_name(prefix, entry["name"]))
    )
    commands = read_commands(header)
    for operation in operations["list"]:
        name = c_name("", operation["name"])
        if name not in commands:
            raise Mismatch(f"command {name} is not in the table at the top of the header")
        check_command(name, commands[name], operation)

    expect("enums", sorted(enums), sorted(seen))


def read_ranges(source):
    """{name of a MCP_RANGE: (min, max)}."""

    def number(text):
        text = text.replace("UL", "").strip()
        if not re.fullmatch(r"[\d\s*<()+-]+", text):
            raise Mismatch(f"cannot read the limit '{text}' in the module")
        return int(eval(text))  # digits and operators only

    return {
        name: (number(low), number(high))
        for name, low, high in re.findall(r"^MCP_RANGE\((\w+),\s*([^,]+),\s*(.+)\);$", source, re.M)
    }


def policy_limits(text, ranges):
    """(min, max) of the text of a policy; None where there is none."""
    found = re.fullmatch(r"NLA_POLICY_FULL_RANGE\(\w+,\s*&(\w+)\)", text)
    if found:
        return ranges[found.group(1)]
    found = re.fullmatch(r"NLA_POLICY_(MIN|MAX)\(\w+,\s*(\w+)\)", text)
    if found and found.group(2).isdigit():
        limit = int(found.group(2))
        return (limit, None) if found.group(1) == "MIN" else (None, limit)
    return None  # a type alone, or the last value of an enum


def check_module(source, spec):
    """Ranges of settings and permissions of commands, as the module has them."""
    ranges = read_ranges(source)
    sets = {entry["name"]: entry for entry in spec["attribute-sets"]}
    settings = {c_name("mcp-s-", entry["name"]): entry for entry in sets["settings"]["attributes"]}
    policies = re.findall(r"\[(MCP_S_\w+)\] = (NLA_POLICY_\w+\(.*?\)),$", source, re.M)
    if not policies:
        raise Mismatch("found no policies of settings in the module")
    for name, text in policies:
        limits = policy_limits(text, ranges)
        if limits is None:
            continue
        checks = settings[name].get("checks", {})
        expect(
            f"{name}, range in the module",
            # A minimum of 0 is none.
            (limits[0] or None, limits[1]),
            (checks.get("min"), checks.get("max")),
        )

    operations = {c_name("mcp-cmd-", entry["name"]): entry for entry in spec["operations"]["list"]}
    table = re.search(r"genl_ops mcp_genl_ops\[\] = \{(.*?)^\};", source, re.M | re.S)
    entries = re.findall(r"\{(.*?)\}", table.group(1), re.S) if table else []
    seen = set()
    for entry in entries:
        name = re.search(r"\.cmd = (\w+)", entry).group(1)
        operation = operations[name]
        seen.add(name)
        expect(f"{name}, do", ".doit" in entry, "do" in operation)
        expect(f"{name}, dump", ".dumpit" in entry, "dump" in operation)
        flags = {"GENL_UNS_ADMIN_PERM": "uns-admin-perm", "GENL_ADMIN_PERM": "admin-perm"}
        expect(
            f"{name}, permission",
            [flags[flag] for flag in re.findall(r"GENL_\w*ADMIN_PERM", entry)],
            operation.get("flags", []),
        )
    expect(
        "commands in the module",
        sorted(seen),
        sorted(name for name, operation in operations.items() if "event" not in operation),
    )


def self_test(header, module, spec_text):
    """The checks above must notice what they are there for."""
    changes = [
        ("MCP_S_ECHO,", "MCP_S_ECHOES,"),
        ("MCP_A_UP,			/* u8", "MCP_A_UP,			/* u16"),
        ("MCP_END_IDLE,\n	MCP_END_FLUSHED,", "MCP_END_FLUSHED,\n	MCP_END_IDLE,"),
        ("MCP_CMD_ACL_ADD,\n", "MCP_CMD_ACL_ADD,\n	MCP_CMD_NEW,\n"),
        ("u32 ms: 100 to 60000, default 2500", "u32 ms: 100 to 30000, default 2500"),
        ("16 to 32, 112 to 128", "16 to 32, 112 to 127"),
        ("u8: enum mcp_state (", "u8: enum mcp_codec ("),
        ("reply: COUNT { ... }", "reply: STAT { ... }"),
    ]
    module_changes = [
        ("MCP_RANGE(mcp_range_timeout, 100,", "MCP_RANGE(mcp_range_timeout, 10,"),
        (".cmd = MCP_CMD_DOWN,", ".cmd = MCP_CMD_SHOW,"),
        (".doit = mcp_cmd_up,\n		.flags = GENL_UNS_ADMIN_PERM,", ".doit = mcp_cmd_up,"),
    ]
    spec = yaml.safe_load(spec_text)
    trials = [(header, change, check) for change in changes]
    if module:
        trials += [(module, change, check_module) for change in module_changes]
    for text, (before, after), run in trials:
        if before not in text:
            raise Mismatch(f"self-test: '{before}' is no longer there")
        try:
            run(text.replace(before, after), spec)
        except Mismatch:
            continue
        raise Mismatch(f"self-test: '{after}' in place of '{before}' goes unnoticed")
    return len(trials)


def main():
    top = Path(__file__).resolve().parent.parent
    header = (top / "include/uapi/linux/mptcpproxy.h").read_text()
    spec_text = (top / "docs/mptcpproxy.yaml").read_text()
    netlink = top / "kmod/netlink.c"
    module = netlink.read_text() if netlink.exists() else ""
    try:
        check(header, yaml.safe_load(spec_text))
        if module:
            check_module(module, yaml.safe_load(spec_text))
        changes = self_test(header, module, spec_text)
    except Mismatch as problem:
        print(f"spec_test: the specification disagrees: {problem}", file=sys.stderr)
        return 1
    enums = read_enums(header)
    members = sum(len(members) for members in enums.values())
    print(
        f"spec_test: {len(enums)} enums with {members} members agree"
        f"{', so do the policies of the module' if module else ''}; "
        f"{changes} planted mistakes were noticed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
