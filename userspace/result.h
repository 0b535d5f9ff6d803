// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace mcp {

// What the program tells its caller; the numbers are documented in the manual.
enum class Exit { ok = 0, refused = 1, usage = 2 };

// Why something could not be done, in words for the user: one line, no newline,
// no program name in front.
struct Error {
    Exit status = Exit::refused;
    std::string message;

    // Set when the kernel refused a request: its errno, whether it gave a text
    // of its own (then message is that text), and the octet offset, from the
    // start of our netlink message, of the attribute it objects to (0: none).
    int kernel_errno = 0;
    bool explained = false;
    uint32_t offset = 0;
};

inline Error usage_error(std::string message)
{
    return Error{.status = Exit::usage, .message = std::move(message)};
}

inline Error failure(std::string message)
{
    return Error{.status = Exit::refused, .message = std::move(message)};
}

// A value, or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::move(value)) {}
    Result(Error error) : state_(std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() { return std::get<0>(state_); }
    const T& operator*() const { return std::get<0>(state_); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    Error& error() { return std::get<1>(state_); }
    const Error& error() const { return std::get<1>(state_); }

private:
    std::variant<T, Error> state_;
};

// Done, or the reason why not.
class [[nodiscard]] Status {
public:
    Status() = default;
    Status(Error error) : error_(std::move(error)) {}

    explicit operator bool() const { return !error_; }
    Error& error() { return *error_; }
    const Error& error() const { return *error_; }

private:
    std::optional<Error> error_;
};

} // namespace mcp
