// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace mcp {

using Json = nlohmann::ordered_json;

// Says something to the user on stderr, in one line.
void complain(std::string_view message);

// Whether everything said on stdout so far could be written.
Status flush_stdout();

// Prints what a command found on stdout: lines of text, or one JSON array with
// an object for each. Rows go out as they come, so a million of them need no
// memory. The array is closed by finish().
class Output {
public:
    Output(bool json, bool pretty) : json_(json), pretty_(pretty) {}

    bool json() const { return json_; }

    // For commands that print until they are stopped: from here on every row is
    // flushed at once, and objects stand a line each without an array around.
    void stream() { streaming_ = true; }

    void row(const Json& object);
    void line(std::string_view text);

    // Closes the array, if there is one.
    void finish();

private:
    bool json_;
    bool pretty_;
    bool streaming_ = false;
    size_t rows_ = 0;
};

} // namespace mcp
