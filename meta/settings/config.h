#pragma once

// Everything a run depends on, as one value. The schema (config_schema.cpp) is the only list of
// keys: the command line, recipes, config.json, their checks and `--help` all follow from it.

#include <cstdint>
#include <functional>
#include <map>
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
    double lambda = 2, damping = 0;  // of the proximal solver and its implicit gradient
    std::int64_t cg_steps = 5;
    std::string indefinite = "fail";
    std::string hvp = "exact";
    std::string rates = "fixed", optimizer = "sgd";
    std::int64_t exact_from = 0, batch = 0;
    bool per_step_norm = false;
    std::string solver = "gradient";  // gradient | proximal | a closed form
  } inner;
  struct Head {  // of the closed forms
    double lambda = 1, sigma = 0, scale = 1;
    bool learn = true, first_order = false;
    double margin = 0.1;
    std::int64_t qp_steps = 60;
  } head;
  struct Regularize {
    double gradient_norm = 0, information = 0;
    std::string mu_sign = "minus", information_kind = "gain";
    double phase = 0, amplitude = 0;
    bool teacher_detach = false, shot = false, log = true;
  } regularize;
  struct Outer {
    std::string optimizer = "adam";
    double lr = 1e-3, momentum = 0;
    std::int64_t tasks = 32, chunk = 0;
    std::string combine = "mean";
    std::string gradient = "differentiated", query_loss = "last";
    std::int64_t multi_step_until = 5000, unlabelled_until = 0;
    std::string schedule = "constant";
    double final_lr = 0;
    double difference = 0.01;
    double clip = 0, clip_norm = 0;  // 0: none
  } outer;
  struct Train {
    std::int64_t iterations = 10000;
    std::string precision = "fp32";
    bool winograd = true;
    std::int64_t max_memory = 0;  // MiB; 0: what the machine has
    std::int64_t log_every = 100, checkpoint_every = 1000, validate_every = 0;
  } train;
  struct Eval {
    std::int64_t tasks = 600;
    std::string protocol = "transductive";
    std::int64_t shots = 0, queries = 0;  // 0: as in training
  } eval;
  std::int64_t seed = 0;
  std::map<std::string, double, std::less<>>
      of_parts;  ///< settings that parts declare: meta/method/part.h
};

/// One key: what it is called, what it means, what it may be.
struct ConfigKey {
  std::string name, meaning, values;
};
std::vector<ConfigKey> config_keys();

/// Sets one key from JSON. Errors: usage; an unknown key is answered with the nearest one there is,
/// a value out of range with the range.
void set_config(Config&, const std::string& key, const nlohmann::json& value);

/// The value of one key. Errors: as above.
nlohmann::json get_config(const Config&, const std::string& key);

/// `key=value` as on the command line; the text is read as the key's type.
void set_config(Config&, std::string_view assignment);

/// All keys, nested by their dots; and the inverse, where missing keys keep their values. Errors of
/// the inverse: io, naming `subject`, the file that the settings were read from.
nlohmann::json to_json(const Config&);
void apply_json(Config&, const nlohmann::json& nested, const std::string& subject);

/// Refuses combinations that make no sense, with the reason.
void check_config(const Config&);

}  // namespace metatape
