// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "address.h"
#include "message.h"
#include "module.h"
#include "output.h"
#include "words.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

// What the lists that the kernel keeps have in common.
namespace mcp {

// Types of the attributes that make up the prefix of an entry, in its nest.
struct PrefixTypes {
    int family;  // u16
    int address; // 4 or 16 octets
    int length;  // u8
};

void put_prefix(Message& message, const PrefixTypes& types, const Prefix& prefix);

Result<Prefix> make_prefix(std::optional<uint16_t> family,
                           std::optional<std::span<const uint8_t>> octets,
                           std::optional<uint8_t> length);

template <int Max>
Result<Prefix> read_prefix(const Attributes<Max>& attributes, const PrefixTypes& types)
{
    return make_prefix(attributes.u16(types.family), attributes.bytes(types.address),
                       attributes.u8(types.length));
}

// A prefix that an entry need not have, as a nest of its own (MCP_PREFIX_A_*): nothing is put
// without one, and none is read from a null nest.
void put_prefix_nest(Message& message, int type, const std::optional<Prefix>& prefix);
Result<std::optional<Prefix>> read_prefix_nest(const nlattr* nest);

// Prints every entry: the command 'show'.
template <class Entry>
Status show_list(const Words& words, Output& output, Result<std::vector<Entry>> (*list)(Module&),
                 std::string (*format)(const Entry&), Json (*json)(const Entry&))
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    const Result<std::vector<Entry>> entries = list(*module);
    if (!entries)
        return entries.error();

    for (const Entry& entry : *entries) {
        if (output.json())
            output.row(json(entry));
        else
            output.line(format(entry));
    }
    return {};
}

} // namespace mcp
