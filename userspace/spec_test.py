#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds docs/mptcpproxy.yaml and include/uapi/linux/mptcpproxy.h together.

Every enum of the header must be in the specification with the same members in
the same order, every attribute with the type that its comment names, every
command with the attributes that the table at the top of the header names.
With two file names, compares these.
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
    (r"4 or 16 octets", {"type": "binary"}),
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

    limits = re.search(r"(?:\b|:)(\d+) to (\d+)", comment)
    if limits:
        checks = attribute.get("checks", {})
        expect(
            f"{member}, range",
            [int(limit) for limit in limits.groups()],
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
    known = {"UP", "VERSION", "SETTINGS", "ACL", "SESSION", "SESSION_ID", "COUNT", "STAT", "EVENT"}
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


def self_test(header, spec_text):
    """The checks above must notice what they are there for."""
    changes = [
        ("MCP_S_ECHO,", "MCP_S_ECHOES,"),
        ("MCP_A_UP,			/* u8", "MCP_A_UP,			/* u16"),
        ("MCP_END_IDLE,\n	MCP_END_FLUSHED,", "MCP_END_FLUSHED,\n	MCP_END_IDLE,"),
        ("MCP_CMD_ACL_ADD,\n", "MCP_CMD_ACL_ADD,\n	MCP_CMD_NEW,\n"),
        ("u32 ms: 100 to 60000, default 2500", "u32 ms: 100 to 30000, default 2500"),
        ("u8: enum mcp_state (", "u8: enum mcp_codec ("),
        ("reply: COUNT { ... }", "reply: STAT { ... }"),
    ]
    for before, after in changes:
        if before not in header:
            raise Mismatch(f"self-test: '{before}' is no longer in the header")
        try:
            check(header.replace(before, after), yaml.safe_load(spec_text))
        except Mismatch:
            continue
        raise Mismatch(f"self-test: '{after}' in place of '{before}' goes unnoticed")
    return len(changes)


def main():
    top = Path(__file__).resolve().parent.parent
    paths = [top / "include/uapi/linux/mptcpproxy.h", top / "docs/mptcpproxy.yaml"]
    if len(sys.argv) == 3:
        paths = [Path(argument) for argument in sys.argv[1:]]
    header, spec_text = (path.read_text() for path in paths)
    try:
        check(header, yaml.safe_load(spec_text))
        changes = self_test(header, spec_text) if len(sys.argv) != 3 else 0
    except Mismatch as problem:
        print(f"spec_test: header and specification disagree: {problem}", file=sys.stderr)
        return 1
    enums = read_enums(header)
    members = sum(len(members) for members in enums.values())
    print(
        f"spec_test: {len(enums)} enums with {members} members agree; "
        f"{changes} planted mistakes were noticed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
