// Names that somebody else chose, of settings, tensors, files and runs.

#include <gtest/gtest.h>

#include "tests/support/tensor_file.h"
#include "tests/tools/command.h"

namespace metatape {
namespace {

TEST(Names, DoNotReachTheTerminalAsCommands) {
  const Workplace place;
  write_text(place.path("r.json"), R"({"settings": {"\u001b[31mred\u009b2J": 1}})");
  const CommandResult r = place.run({"plan", "--recipe", "r.json"});
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_NE(r.errors.find("[?[31mred?2J]"), std::string::npos) << r.errors;
  write_text(place.path("t.safetensors"),
             tensor_file("{\"__metadata__\":{\"\\u001b[2J\":\"\\u0007\"}}"));
  const CommandResult info = place.run({"info", "t.safetensors"});
  EXPECT_EQ(info.exit_code, 0) << info.errors;
  EXPECT_EQ(info.output.find('\x1b'), std::string::npos);
  EXPECT_NE(info.output.find("?[2J"), std::string::npos) << info.output;
}

TEST(Names, OfFilesMayBeAnyBytes) {
  const Workplace place;
  const CommandResult r = place.run({"info",
                                     "a\xff"
                                     "b",
                                     "--json"});
  EXPECT_EQ(r.exit_code, 3) << r.errors;
  EXPECT_NE(r.errors.find("[a?b]"), std::string::npos) << r.errors;
  EXPECT_EQ(r.json().value("exit_code", 0), 3);
}

TEST(Names, OfRunsMayBeAnyBytes) {
  const Workplace place;
  const std::string name =
      "a\xff"
      "b";
  write_small_set(place.path(name + ".mtd"));
  const Arguments small = settings({"task.kind=images", "task.ways=3", "task.queries=2",
                                    "model.width=4", "outer.tasks=3", "train.iterations=2"});
  const nlohmann::json trained =
      place.result_of(Arguments{"train", "--data", name + ".mtd", "--out", name} + small);
  EXPECT_EQ(trained.at("iterations"), 2);
  place.result_of({"eval", "--run", name, "--data", name + ".mtd", "--tasks", "2"});
  place.result_of({"report", name, "--out", name + "-page"});
}

}  // namespace
}  // namespace metatape
