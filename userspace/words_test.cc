// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"
#include "words.h"

#include <array>

#include <catch2/catch.hpp>

using namespace mcp;

namespace {

constexpr std::array<std::string_view, 5> fruits = {"apple", "apricot", "pear", "pear-tree",
                                                    "plum"};

Result<Choice> choose_from(std::vector<std::string> list)
{
    Words words(list);

    return choose(words);
}

std::string chosen(std::vector<std::string> list)
{
    const auto choice = choose_from(std::move(list));

    if (!choice)
        return choice.error().message;
    return std::string(choice->object ? choice->object->word : "") + " " +
           std::string(choice->command ? choice->command->word : "help");
}

} // namespace

TEST_CASE("words may be shortened while they can be told from others")
{
    CHECK(*match_word("apple", fruits, "fruit") == 0);
    CHECK(*match_word("app", fruits, "fruit") == 0);
    CHECK(*match_word("pl", fruits, "fruit") == 4);
    CHECK(*match_word("pear", fruits, "fruit") == 2); // exact before longer
    CHECK(*match_word("pear-", fruits, "fruit") == 3);
    CHECK(*match_word("pear_t", fruits, "fruit") == 3);
    CHECK(*match_word("--plum", fruits, "fruit") == 4);
    CHECK(*match_word("PLUM", fruits, "fruit") == 4);

    const auto vague = match_word("ap", fruits, "fruit");
    REQUIRE_FALSE(vague);
    CHECK(vague.error().status == Exit::usage);
    CHECK(vague.error().message.find("apple or apricot") != std::string::npos);
}

TEST_CASE("a misspelt word brings up the nearest")
{
    for (const char* word : {"aple", "appel", "appple", "spple"}) {
        INFO(word);
        CHECK(match_word(word, fruits, "fruit").error().message.ends_with("did you mean 'apple'?"));
    }
    CHECK(match_word("xyz", fruits, "fruit").error().message ==
          "unknown fruit 'xyz': use apple, apricot, pear, pear-tree or plum");
    CHECK_FALSE(match_word("", fruits, "fruit"));
}

TEST_CASE("an abbreviation of several objects is settled by its command")
{
    CHECK(chosen({"mc", "sh"}) == "mcp show");
    CHECK(chosen({"m", "up"}) == "mcp up");
    CHECK(chosen({"mo"}) == "monitor session");
    CHECK(chosen({"a", "a"}) == "acl add");
    CHECK(chosen({"po", "f"}) == "pool flush");
    CHECK(chosen({"d"}) == "doctor show");
    CHECK(chosen({"s", "c"}) == "session count");
    CHECK(chosen({"acl", "list"}) == "acl show");
    CHECK(chosen({"acl", "delete"}) == "acl del");
    CHECK(chosen({"acl"}) == "acl show");
    CHECK_FALSE(choose_from({"s", "sh"}));
    CHECK_FALSE(choose_from({"m"}));
    CHECK_FALSE(choose_from({"m", "sh"})); // mcp or mapping
    CHECK_FALSE(choose_from({"p", "f"}));  // pool or peer
    CHECK_FALSE(choose_from({"m", "s"}));
    CHECK_FALSE(choose_from({"mcp", "s"})); // show or set
    CHECK_FALSE(choose_from({}));
}

TEST_CASE("help is found everywhere")
{
    CHECK(chosen({"help"}) == " help");
    CHECK(chosen({"mcp", "help"}) == "mcp help");
    CHECK(chosen({"help", "mcp"}) == "mcp help");
    CHECK(chosen({"mcp", "up", "help"}) == "mcp help");
    CHECK(chosen({"mcp", "up", "--help"}) == "mcp help");
    for (const Object* object : objects()) {
        CHECK(chosen({std::string(object->word), "help"}) == std::string(object->word) + " help");
        CHECK(help().find(std::string(object->word)) != std::string::npos);
        for (const Command& command : object->commands)
            CHECK(help(*object).find(std::string(command.word)) != std::string::npos);
    }
}

TEST_CASE("words that are left over")
{
    std::vector<std::string> list = {"-j"};
    CHECK(Words(list).finish().error().message.find("before the object") != std::string::npos);
    list = {"surplus"};
    CHECK_FALSE(Words(list).finish());
    list = {};
    CHECK(Words(list).finish());
}

TEST_CASE("a keyword and its value before the end")
{
    const auto given = [](std::vector<std::string> list) {
        Words words(list);

        return words.finish_with("dev", "an interface name");
    };

    CHECK(*given({}) == std::nullopt);
    CHECK(*given({"dev", "eth0"}) == "eth0");
    CHECK(*given({"d", ""}) == "");
    CHECK(given({"dev"}).error().message == "'dev' needs an interface name after it");
    CHECK(given({"eth0"}).error().message == "unknown word 'eth0': use dev");
    CHECK(given({"dev", "eth0", "eth1"}).error().message == "'eth1' is one word too many");
}

TEST_CASE("numbers")
{
    CHECK(*parse_number("0") == 0);
    CHECK(*parse_number("18446744073709551615") == UINT64_MAX);
    for (const char* text : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "18446744073709551616"})
        CHECK(parse_number(text).error().message == "'" + std::string(text) + "' is not a number");
}
