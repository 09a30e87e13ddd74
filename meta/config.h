#pragma once

// Everything a run depends on, as one value. The schema (config.cpp) is the only list of keys: the
// command line, recipes, config.json, their checks and `--help` all follow from it.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace metatape {

struct Config {
  struct Task {
    std::string kind = "images";  // images | glyphs | sinusoid
    std::int64_t ways = 5, shots = 1, queries = 1;
  } task;
  struct Data {
    std::string split;  // scheme of the packed set; empty: its first
    std::string rotations = "none";
    bool resident = true;
    std::int64_t height = 28, width = 28, channels = 1;  // assumed where there is no data set
  } data;
  struct Model {
    std::string name = "conv4";
    std::int64_t width = 64;
    std::string widths = "64-128-256-512";
    std::string pool = "stride";
    double batch_norm_epsilon = 1e-5;
    double init_deviation = 0, head_deviation = 0;
    std::int64_t context = 0;
  } model;
  struct Inner {
    std::int64_t steps = 1, test_steps = 3;
    double lr = 0.4;
    std::string adapt = "all", order = "exact";
    bool recompute = false;
  } inner;
  struct Outer {
    std::string optimizer = "adam";
    double lr = 1e-3, momentum = 0;
    std::int64_t tasks = 32;
    std::string combine = "mean";
  } outer;
  struct Train {
    std::int64_t iterations = 10000;
    std::string precision = "fp32";
    std::int64_t max_memory = 0;  // MiB; 0: what the machine has
    std::int64_t log_every = 100, checkpoint_every = 1000, validate_every = 0;
  } train;
  struct Eval {
    std::int64_t tasks = 600;
    std::string protocol = "transductive";
    std::int64_t queries = 0;  // 0: as in training
  } eval;
  std::int64_t seed = 0;
};

/// One key: what it is called, what it means, what it may be.
struct ConfigKey {
  std::string name, meaning, values;
};
std::vector<ConfigKey> config_keys();

/// Sets one key from JSON. Errors: usage; an unknown key is answered with the nearest one there is,
/// a value out of range with the range.
void set_config(Config&, const std::string& key, const nlohmann::json& value);

/// `key=value` as on the command line; the text is read as the key's type.
void set_config(Config&, std::string_view assignment);

/// All keys, nested by their dots; and the inverse, where missing keys keep their values. Errors of
/// the inverse: io, naming `subject`, the file that the settings were read from.
nlohmann::json to_json(const Config&);
void apply_json(Config&, const nlohmann::json& nested, const std::string& subject);

/// Refuses combinations that make no sense, with the reason.
void check_config(const Config&);

}  // namespace metatape
