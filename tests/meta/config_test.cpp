#include "meta/settings/config.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using nlohmann::json;

json value_of(const Config& config, std::string key) {
  for (char& c : key)
    if (c == '.') c = '/';
  return to_json(config).at(json::json_pointer("/" + key));
}

/// Another value that the key may have.
json other_value(const ConfigKey& key, const json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>() + 1;
  if (value.is_number()) return value.get<double>() + 0.25;
  if (key.values == "a name in UTF-8") return "other";
  return key.values.substr(key.values.rfind(' ') + 1);
}

TEST(Config, EveryKeyCanBeSetAndReadBackAlone) {
  const json defaults = to_json(Config{});
  ASSERT_GE(config_keys().size(), 30u);
  for (const ConfigKey& key : config_keys()) {
    Config config;
    const json value = key.name == "data.channels" ? json(3)  // 1 is the default, 1..3 possible
                                                   : other_value(key, value_of(config, key.name));
    set_config(config, key.name, value);
    EXPECT_EQ(value_of(config, key.name), value) << key.name;
    set_config(config, key.name, value_of(Config{}, key.name));
    EXPECT_EQ(to_json(config), defaults) << key.name << " changes something else";
  }
}

TEST(Config, EveryKeyCanBeSetAsOnTheCommandLine) {
  for (const ConfigKey& key : config_keys()) {
    Config config;
    const json value = other_value(key, value_of(config, key.name));
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    set_config(config, key.name + "=" + text);
    EXPECT_EQ(value_of(config, key.name), value) << key.name;
  }
}

TEST(Config, EveryKeySaysWhatItMeans) {
  for (const ConfigKey& key : config_keys()) {
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    EXPECT_FALSE(key.values.empty()) << key.name;
  }
}

TEST(Config, KeepsExactNumbers) {
  Config config;
  set_config(config, "inner.lr=0.1");
  set_config(config, "outer.lr=1e-3");
  set_config(config, "inner.lr=2");  // an integer is a number
  EXPECT_EQ(config.inner.lr, 2.0);
  EXPECT_EQ(config.outer.lr, 1e-3);
  set_config(config, "seed=9223372036854775807");
  EXPECT_EQ(config.seed, std::numeric_limits<std::int64_t>::max());
}

TEST(Config, TextNeedsNoQuotes) {
  Config config;
  set_config(config, "data.split=5");
  EXPECT_EQ(config.data.split, "5");
  set_config(config, "data.split=a=b");
  EXPECT_EQ(config.data.split, "a=b");
  set_config(config, "data.split=");
  EXPECT_EQ(config.data.split, "");
}

void expect_refused(const std::string& assignment, const std::string& fragment) {
  SCOPED_TRACE(assignment);
  expect_error(ErrorKind::usage, fragment, [&] {
    Config config;
    try {
      set_config(config, assignment);
    } catch (const Error& error) {
      EXPECT_EQ(error.subject, assignment.substr(0, assignment.find('=')));
      EXPECT_EQ(to_json(config), to_json(Config{}));
      throw;
    }
  });
}

TEST(Config, RefusesValuesOutOfRangeWithTheRange) {
  expect_refused("task.ways=0", "0 is not possible; expected an integer 1..10000");
  expect_refused("task.ways=10001", "expected an integer 1..10000");
  expect_refused("train.log_every=0", "expected an integer >= 1");
  expect_refused("seed=-1", "expected an integer >= 0");
  expect_refused("seed=9223372036854775808", "expected an integer >= 0");
  expect_refused("inner.lr=-0.1", "expected a number >= 0");
  expect_refused("inner.lr=1e999", "expected a number >= 0");
  expect_refused("inner.adapt=tail", "\"tail\" is not possible; expected one of all, head, body");
}

TEST(Config, RefusesValuesOfAnotherType) {
  expect_refused("inner.steps=1.5", "1.5 is not possible; expected an integer 0..10000");
  expect_refused("inner.steps=many", "\"many\" is not possible");
  expect_refused("inner.steps=", "expected an integer");
  expect_refused("inner.steps=true", "expected an integer");
  expect_refused("inner.steps=[1]", "expected an integer");
  expect_refused("inner.steps=99999999999999999999", "expected an integer");
  expect_refused("inner.lr=nan", "expected a number");
  expect_refused("inner.lr=null", "expected a number");
  expect_refused("inner.recompute=1", "expected true or false");
  Config config;
  expect_error(ErrorKind::usage, "expected one of adam, sgd",
               [&] { set_config(config, "outer.optimizer", json(3)); });
}

TEST(Config, RefusesTextThatIsNoUtf8) {
  Config c;
  expect_error(ErrorKind::usage, "is not possible; expected one of all, head, body, context",
               [&] { set_config(c, "inner.adapt=\xff\xfe"); });
  expect_error(ErrorKind::usage, "is not possible; expected a name in UTF-8",
               [&] { set_config(c, "data.split=vin\xff\tyall"); });
  EXPECT_NO_THROW(set_config(c, "data.split=J\xc3\xa4rvi"));
}

TEST(Config, AnswersAnUnknownKeyWithTheNearest) {
  expect_refused("inner.step=3", "did you mean inner.steps?");
  expect_refused("outer.task=3", "did you mean outer.tasks?");
  expect_refused("sed=3", "did you mean seed?");
  expect_refused("inner=3", "there is no such setting");
}

TEST(Config, AnAssignmentNeedsAKeyAndAValue) {
  for (const char* text : {"inner.lr", "=3", ""}) {
    Config config;
    expect_error(ErrorKind::usage, "expected key=value", [&] { set_config(config, text); });
  }
}

TEST(Config, GoesThroughNestedJsonAndBack) {
  Config config;
  for (const ConfigKey& key : config_keys())
    set_config(config, key.name, other_value(key, value_of(config, key.name)));
  const json nested = json::parse(to_json(config).dump());
  EXPECT_TRUE(nested.at("inner").at("lr").is_number());
  EXPECT_TRUE(nested.at("seed").is_number());
  Config again;
  apply_json(again, nested, "file");
  EXPECT_EQ(to_json(again), nested);
}

TEST(Config, NestedJsonLeavesOtherKeysAlone) {
  Config config;
  config.inner.steps = 7;
  apply_json(config, {{"inner", {{"lr", 0.25}}}, {"seed", 3}}, "file");
  EXPECT_EQ(config.inner.steps, 7);
  EXPECT_EQ(config.inner.lr, 0.25);
  EXPECT_EQ(config.seed, 3);
}

TEST(Config, NestedJsonThatIsWrongIsRefusedWithItsFile) {
  auto apply = [](const json& nested) {
    Config config;
    apply_json(config, nested, "runs/a/config.json");
  };
  const ErrorKind io = ErrorKind::io;
  expect_error(io, "[runs/a/config.json] settings are array", [&] { apply(json::array()); });
  expect_error(io, "did you mean inner.steps?", [&] { apply({{"inner", {{"stepz", 1}}}}); });
  expect_error(io, "[runs/a/config.json]", [&] { apply({{"inner", {{"stepz", 1}}}}); });
  expect_error(io, "expected an integer 1..10000", [&] { apply({{"task", {{"ways", "five"}}}}); });
  expect_error(io, "[runs/a/config.json]", [&] { apply({{"task", 5}}); });
}

TEST(Config, RefusesCombinationsThatMakeNoSenseWithTheReason) {
  auto check = [](std::initializer_list<const char*> settings) {
    Config config;
    for (const char* setting : settings) set_config(config, setting);
    check_config(config);
  };
  const ErrorKind usage = ErrorKind::usage;
  EXPECT_NO_THROW(check({}));
  EXPECT_NO_THROW(check({"task.kind=sinusoid", "task.ways=1", "model.name=mlp"}));
  EXPECT_NO_THROW(check({"inner.recompute=true"}));
  EXPECT_NO_THROW(check({"outer.optimizer=sgd", "outer.momentum=0.9"}));
  expect_error(usage, "use model.name=mlp", [&] { check({"task.kind=sinusoid", "task.ways=1"}); });
  expect_error(usage, "a sinusoid task has no classes; expected 1, found 5", [&] {
    check({"task.kind=sinusoid", "model.name=mlp"});
  });
  expect_error(usage, "a classification task needs two classes at least, found 1",
               [&] { check({"task.ways=1"}); });
  expect_error(usage, "there is nothing to recompute", [&] {
    check({"inner.recompute=true", "inner.order=first"});
  });
  expect_error(usage, "use model.name=conv4", [&] { check({"model.name=mlp"}); });
  expect_error(usage, "use outer.optimizer=sgd", [&] { check({"outer.momentum=0.9"}); });
  EXPECT_NO_THROW(check({"outer.unlabelled_until=5", "outer.query_loss=multi_step"}));
  expect_error(usage, "displacement minimises no query loss", [&] {
    check({"outer.unlabelled_until=5", "outer.gradient=displacement"});
  });
}

}  // namespace
}  // namespace metatape
