// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "cli.h"
#include "message.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mcp {

// mptcpproxyctl stats: what the module has counted.
extern const Object stats_object;

struct Counter {
    std::string name;
    uint64_t value = 0;
};

Result<Counter> decode_counter(const nlmsghdr* header);

// Those of the counters that any pattern (shell style) fits, all without one;
// nonzero leaves out those that stand at 0. A pattern that fits no counter is
// an error that names the nearest.
Result<std::vector<Counter>> select_counters(const std::vector<Counter>& counters,
                                             const std::vector<std::string>& patterns,
                                             bool nonzero);

} // namespace mcp
