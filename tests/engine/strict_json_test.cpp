#include "engine/io/strict_json.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/expect_error.h"

namespace metatape {
namespace {

nlohmann::json parse(std::string_view text) { return parse_strict_json(text, "config.json"); }

void expect_refused(std::string_view text, const std::string& fragment) {
  expect_error(ErrorKind::io, fragment, [&] { parse(text); });
}

std::string nested_arrays(int depth) {
  return std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']');
}

TEST(StrictJson, ParsesOrdinaryText) {
  const auto value = parse(R"({"a": {"b": [1, 2.5, "x"]}, "b": null, "c": {"b": true}})");
  EXPECT_EQ(value["a"]["b"][1], 2.5);
  EXPECT_EQ(value["c"]["b"], true);
  EXPECT_TRUE(value["b"].is_null());
}

TEST(StrictJson, RefusesDuplicateKeys) {
  expect_refused(R"({"ways": 5, "ways": 20})", "key \"ways\" occurs twice");
  expect_refused(R"({"a": [{"b": 1, "c": 2, "b": 3}]})", "key \"b\" occurs twice");
  expect_refused(R"({"a": 1, "\u0061": 2})", "key \"a\" occurs twice");
}

TEST(StrictJson, AcceptsOneKeyInSeveralObjects) {
  EXPECT_EQ(parse(R"([{"a": {"a": 1}}, {"a": 2}])").size(), 2u);
}

TEST(StrictJson, RefusesDeepNesting) {
  EXPECT_TRUE(parse(nested_arrays(8)).is_array());
  expect_refused(nested_arrays(9), "nested deeper than 8 levels");
  expect_refused(std::string(2'000'000, '['), "nested deeper than 8 levels");
  expect_refused(R"([[[[[[[[{}]]]]]]]])", "nested deeper than 8 levels");
}

TEST(StrictJson, RefusesLongKeysAndMoreThanTwoMillionValues) {
  const std::string longest(1024, 'k');
  EXPECT_EQ(parse("{\"" + longest + "\": 1}").size(), 1u);
  expect_refused("{\"" + longest + "k\": 1}", "has 1025 bytes; at most 1024 are read");
  std::string most = "[0";  // the list is a value, too
  for (int i = 2; i < 2'000'000; ++i) most += ",0";
  EXPECT_EQ(parse(most + "]").size(), 1'999'999u);
  expect_refused(most + ",0]", "more than 2000000 JSON values");
}

TEST(StrictJson, RefusesNulCharacters) {
  expect_refused(R"({"a\u0000b": 1})", "NUL character");
  expect_refused(R"({"a": "b\u0000"})", "NUL character");
  expect_refused(std::string_view("{}\0", 3), "NUL byte");
}

TEST(StrictJson, RefusesWhatIsNotJson) {
  expect_refused("", "not valid JSON");
  expect_refused("{\"a\": 1", "line 1");
  expect_refused("{}\n{}", "line 2");
  expect_refused("{'a': 1}", "not valid JSON");
  expect_refused("[1,]", "not valid JSON");
  expect_refused("// note\n{}", "not valid JSON");
  expect_refused("[NaN]", "not valid JSON");
  expect_refused("[1e999]", "not valid JSON");
  expect_refused("[\"\xff\"]", "not valid JSON");
}

TEST(StrictJson, NamesTheFileAndKeepsTheMessageShort) {
  expect_refused("{", "[config.json]");
  try {
    parse("[\"" + std::string(100'000, 'x'));
    FAIL();
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 400u);
  }
}

TEST(StrictJson, ReadsIntegersInTheirRange) {
  const auto value = parse(R"({"n": 5, "m": -3})");
  EXPECT_EQ(json_integer(value, "n", 1, 5, "file"), 5);
  EXPECT_EQ(json_integer(value, "m", -3, 0, "file"), -3);
}

TEST(StrictJson, RefusesWhatIsNoIntegerInTheRange) {
  const auto value = parse(R"({"zero": 0, "float": 1.0, "huge": 1e30, "text": "1",
                               "negative": -1, "wraps": 18446744073709551615})");
  for (const char* key : {"zero", "float", "huge", "text", "negative", "wraps"})
    expect_error(ErrorKind::io, "an integer from 1 to 9 is expected",
                 [&] { json_integer(value, key, 1, 9, "file"); });
  expect_error(ErrorKind::io, "\"wraps\" is 18446744073709551615",
               [&] { json_integer(value, "wraps", -9, 9, "file"); });
  expect_error(ErrorKind::io, "key \"ways\" is missing",
               [&] { json_integer(value, "ways", 1, 9, "file"); });
  expect_error(ErrorKind::io, "found a JSON array",
               [&] { json_integer(nlohmann::json::array(), "ways", 1, 9, "file"); });
}

TEST(StrictJson, ReadsTextsOfLimitedLength) {
  const auto value = parse(R"({"name": "maml", "n": 1})");
  EXPECT_EQ(json_string(value, "name", 4, "file"), "maml");
  expect_error(ErrorKind::io, "a text of at most 3 bytes is expected",
               [&] { json_string(value, "name", 3, "file"); });
  expect_error(ErrorKind::io, "a text of at most 9 bytes is expected",
               [&] { json_string(value, "n", 9, "file"); });
}

}  // namespace
}  // namespace metatape
