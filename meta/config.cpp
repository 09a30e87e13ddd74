#include "meta/config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "meta/check_closed_form.h"
#include "meta/check_gradient_steps.h"
#include "meta/check_proximal.h"
#include "meta/nearest_name.h"

namespace metatape {
namespace {

using nlohmann::json;

struct Field {
  std::string name, meaning, values;
  std::function<json(const Config&)> get;
  std::function<void(Config&, const json&)> set;
};

[[noreturn]] void refuse(const Field& f, const json& found) {
  fail(ErrorKind::usage, f.name, "{} is not possible; expected {} ({})", found.dump(), f.values,
       f.meaning);
}

/// JSON keeps numbers above 2^63 - 1 as unsigned: they are integers, and too large.
bool is_integer_in(const json& value, std::int64_t low, std::int64_t high) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(high)) return false;
  return value.is_number_integer() && value.get<std::int64_t>() >= low &&
         value.get<std::int64_t>() <= high;
}

/// `at` finds the member in a Config: it is called for reading and for writing.
template <class At>
Field integer(const char* name, const char* meaning, std::int64_t low, std::int64_t high, At at) {
  const bool open = high == std::numeric_limits<std::int64_t>::max();
  Field f{name,
          meaning,
          open ? fmt::format("an integer >= {}", low) : fmt::format("an integer {}..{}", low, high),
          [at](const Config& c) { return json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at, low, high](Config& c, const json& value) {
    if (!is_integer_in(value, low, high)) refuse(f, value);
    at(c) = value.get<std::int64_t>();
  };
  return f;
}

template <class At>
Field number(const char* name, const char* meaning, double low, At at) {
  Field f{name,
          meaning,
          fmt::format("a number >= {}", low),
          [at](const Config& c) { return json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at, low](Config& c, const json& value) {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < low)
      refuse(f, value);
    at(c) = value.get<double>();
  };
  return f;
}

template <class At>
Field boolean(const char* name, const char* meaning, At at) {
  Field f{name,
          meaning,
          "true or false",
          [at](const Config& c) { return json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at](Config& c, const json& value) {
    if (!value.is_boolean()) refuse(f, value);
    at(c) = value.get<bool>();
  };
  return f;
}

template <class At>
Field choice(const char* name, const char* meaning, std::vector<std::string> choices, At at) {
  Field f{
      name,
      meaning,
      choices.empty() ? std::string("a name") : fmt::format("one of {}", fmt::join(choices, ", ")),
      [at](const Config& c) { return json(at(const_cast<Config&>(c))); },
      {}};
  f.set = [f, at, choices](Config& c, const json& value) {
    if (!value.is_string() ||
        (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()))
      refuse(f, value);
    at(c) = value.get<std::string>();
  };
  return f;
}

constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max();
#define MT_AT(member) \
  [](Config & c) -> auto& { return c.member; }

const std::vector<Field>& schema() {
  static const std::vector<Field> fields = {
      choice("task.kind", "what a task is", {"images", "glyphs", "sinusoid"}, MT_AT(task.kind)),
      integer("task.ways", "classes of a task (N)", 1, 10000, MT_AT(task.ways)),
      integer("task.shots", "support examples per class (K); points of a sinusoid", 1, 10000,
              MT_AT(task.shots)),
      integer("task.queries", "query examples per class in training", 1, 10000,
              MT_AT(task.queries)),
      choice("data.split", "split scheme of the data set; empty: its first", {}, MT_AT(data.split)),
      choice(
          "data.rotations",
          "rotation by multiples of 90 degrees: a random one per class and task, or four classes "
          "of each",
          {"none", "per_task", "as_classes"}, MT_AT(data.rotations)),
      boolean("data.resident",
              "on a GPU, hold the data set in its memory and draw episodes there; on the CPU they "
              "are drawn from the mapped file either way",
              MT_AT(data.resident)),
      integer("data.height", "image height that plan assumes without a data set", 1, 16384,
              MT_AT(data.height)),
      integer("data.width", "image width that plan assumes without a data set", 1, 16384,
              MT_AT(data.width)),
      integer("data.channels", "image channels that plan assumes without a data set", 1, 3,
              MT_AT(data.channels)),
      choice("model.name", "network", {"conv4", "resnet12", "mlp"}, MT_AT(model.name)),
      integer("model.width",
              "conv4: filters per convolution; resnet12: channels of its first block; mlp: units "
              "per hidden layer",
              1, 65536, MT_AT(model.width)),
      choice("model.widths",
             "resnet12: channels of its blocks at model.width=64; others in proportion",
             {"64-128-256-512", "64-160-320-640"}, MT_AT(model.widths)),
      choice("model.pool", "conv4: stride-2 convolutions and a final mean, or 2x2 max-pooling",
             {"stride", "max"}, MT_AT(model.pool)),
      number("model.batch_norm_epsilon", "added to the variance", 0,
             MT_AT(model.batch_norm_epsilon)),
      number("model.init_deviation",
             "mlp: deviation of truncated normal weights; 0: Glorot uniform", 0,
             MT_AT(model.init_deviation)),
      number("model.head_deviation",
             "conv4, resnet12: deviation of normal head weights; 0: Glorot uniform", 0,
             MT_AT(model.head_deviation)),
      integer("model.context",
              "context parameters: channel scales and shifts of conv4, further inputs of mlp; 0: "
              "none",
              0, 65536, MT_AT(model.context)),
      integer("inner.steps", "inner steps in training", 0, 10000, MT_AT(inner.steps)),
      integer("inner.test_steps", "inner steps in evaluation", 0, 10000, MT_AT(inner.test_steps)),
      number("inner.lr", "inner step size, for mean losses", 0, MT_AT(inner.lr)),
      choice("inner.adapt", "parameters that the inner loop changes",
             {"all", "head", "body", "context"}, MT_AT(inner.adapt)),
      choice("inner.order", "exact: differentiate through the inner gradients; first: not",
             {"exact", "first"}, MT_AT(inner.order)),
      boolean("inner.recompute",
              "compute each inner step again in the reverse sweep: memory grows by parameters only",
              MT_AT(inner.recompute)),
      number("inner.lambda", "proximal: weight of half the squared distance to the start", 0,
             MT_AT(inner.lambda)),
      number("inner.damping", "implicit gradient: added to the identity of its system", 0,
             MT_AT(inner.damping)),
      integer("inner.cg_steps", "implicit gradient: steps of conjugate gradients", 1, 10000,
              MT_AT(inner.cg_steps)),
      choice("inner.hvp", "Hessian-vector products: exact, or central differences of gradients",
             {"exact", "difference"}, MT_AT(inner.hvp)),
      choice("inner.rates",
             "fixed: inner.lr; per_element: learned for each element; per_layer_step: learned for "
             "each array and step. Learned ones start at inner.lr",
             {"fixed", "per_element", "per_layer_step"}, MT_AT(inner.rates)),
      choice("inner.optimizer", "adam: without momentum, starting anew in each task",
             {"sgd", "adam"}, MT_AT(inner.optimizer)),
      integer("inner.exact_from",
              "meta-step before which exact order drops its second derivatives; it costs as much "
              "before as after",
              0, kOpen, MT_AT(inner.exact_from)),
      integer("inner.batch", "support examples per class in an inner step, in turn; 0: all of them",
              0, 10000, MT_AT(inner.batch)),
      boolean("inner.per_step_norm", "learn scale and shift of batch norm for each inner step",
              MT_AT(inner.per_step_norm)),
      choice(
          "inner.solver",
          "how a task is learnt: by gradient steps, by steps that are held near the start, or by "
          "a head of its own on the features in closed form",
          {"gradient", "proximal", "ridge", "rbf_ridge", "svm", "prototypes"}, MT_AT(inner.solver)),
      number("head.lambda", "ridge, rbf_ridge: regularisation, or where its learning starts", 0,
             MT_AT(head.lambda)),
      number("head.sigma",
             "rbf_ridge: width of the kernel in units of the features, or where its learning "
             "starts; 0: sigma^2 is half the median squared distance in the first batch",
             0, MT_AT(head.sigma)),
      number("head.scale", "ridge, rbf_ridge, svm: factor of the logits where its learning starts",
             0, MT_AT(head.scale)),
      boolean("head.learn", "ridge, rbf_ridge: learn lambda and sigma too, not the scale alone",
              MT_AT(head.learn)),
      boolean("head.first_order",
              "closed forms: what was fitted to the support set is a constant for derivatives",
              MT_AT(head.first_order)),
      number("head.margin", "svm: C, the upper bound of the dual variables", 0, MT_AT(head.margin)),
      integer("head.qp_steps", "svm: iterations that look for the active bounds", 1, 100000,
              MT_AT(head.qp_steps)),
      number("regularize.phase",
             "coefficient of the phase loss: one straight step should predict as all steps do; "
             "0: none",
             0, MT_AT(regularize.phase)),
      number("regularize.amplitude",
             "coefficient of the pseudo-amplitude loss, the length of the way; 0: none", 0,
             MT_AT(regularize.amplitude)),
      boolean("regularize.teacher_detach",
              "phase loss: the predictions after all steps are constants",
              MT_AT(regularize.teacher_detach)),
      boolean("regularize.shot",
              "phase loss as SHOT released it: the straight step is inner.steps * inner.lr long, "
              "the teacher detached",
              MT_AT(regularize.shot)),
      boolean("regularize.log",
              "log phase and amplitude consistency of the inner loop; costs one more support "
              "gradient per meta-step",
              MT_AT(regularize.log)),
      number("regularize.gradient_norm",
             "rbf_ridge: coefficient mu of the functional gradient's squared norm; 0: none", 0,
             MT_AT(regularize.gradient_norm)),
      choice("regularize.mu_sign",
             "sign of that term in the minimised loss; the source prints minus, which rewards it",
             {"minus", "plus"}, MT_AT(regularize.mu_sign)),
      number("regularize.information", "coefficient gamma of the information term; 0: none", 0,
             MT_AT(regularize.information)),
      choice("regularize.information_kind",
             "information gain of the kernel per example, tr(A'KA), or mutual information of "
             "queries and classes",
             {"gain", "capacity", "mutual"}, MT_AT(regularize.information_kind)),
      choice("outer.optimizer", "optimiser of the meta-parameters",
             {"adam", "sgd", "normalized_sgd"}, MT_AT(outer.optimizer)),
      number("outer.lr", "outer step size", 0, MT_AT(outer.lr)),
      number("outer.momentum", "sgd, normalized_sgd: momentum", 0, MT_AT(outer.momentum)),
      choice("outer.query_loss",
             "last: after the last inner step; multi_step: a weighted sum over all steps",
             {"last", "multi_step"}, MT_AT(outer.query_loss)),
      integer("outer.multi_step_until",
              "multi_step: meta-step from which only the last step counts", 1, kOpen,
              MT_AT(outer.multi_step_until)),
      choice("outer.schedule", "how outer.lr goes to outer.final_lr over train.iterations",
             {"constant", "linear", "cosine"}, MT_AT(outer.schedule)),
      number("outer.final_lr", "linear, cosine: outer step size at the end", 0,
             MT_AT(outer.final_lr)),
      integer("outer.tasks", "tasks per meta-step", 1, 65536, MT_AT(outer.tasks)),
      choice("outer.combine", "how task gradients become one; similarity: by their cosines",
             {"mean", "similarity"}, MT_AT(outer.combine)),
      choice("outer.gradient",
             "meta-gradient of a task: through the inner steps; or of the proximal solution, from "
             "its optimality condition or by differences of perturbed solutions; or displacement, "
             "theta minus what the inner loop reaches",
             {"differentiated", "implicit", "forward_difference", "symmetric_difference",
              "displacement"},
             MT_AT(outer.gradient)),
      number("outer.difference", "weight of the query loss in the perturbed problems", 0,
             MT_AT(outer.difference)),
      number("outer.clip", "largest magnitude of an element of the meta-gradient; 0: any", 0,
             MT_AT(outer.clip)),
      number("outer.clip_norm", "largest Euclidean norm of the meta-gradient; 0: any", 0,
             MT_AT(outer.clip_norm)),
      integer("train.iterations", "meta-steps", 0, std::int64_t(1) << 31, MT_AT(train.iterations)),
      choice("train.precision", "arithmetic; tf32 on a GPU, fp64 on the CPU",
             {"fp32", "tf32", "fp64"}, MT_AT(train.precision)),
      integer("train.max_memory", "MiB that values may take; 0: what the machine has", 0, kOpen,
              MT_AT(train.max_memory)),
      integer("train.log_every", "meta-steps per line of metrics", 1, kOpen,
              MT_AT(train.log_every)),
      integer("train.checkpoint_every", "meta-steps between checkpoints", 1, kOpen,
              MT_AT(train.checkpoint_every)),
      integer("train.validate_every", "meta-steps between evaluations on 'validation'; 0: never", 0,
              kOpen, MT_AT(train.validate_every)),
      integer("eval.tasks", "tasks of an evaluation", 1, 10000000, MT_AT(eval.tasks)),
      choice("eval.protocol",
             "transductive: batch norm sees all queries of a task at once, as in training; "
             "inductive: it uses the statistics of the support set",
             {"transductive", "inductive"}, MT_AT(eval.protocol)),
      integer("eval.shots", "support examples per class in evaluation; 0: as in training", 0, 10000,
              MT_AT(eval.shots)),
      integer("eval.queries", "query examples per class in evaluation; 0: as in training", 0, 10000,
              MT_AT(eval.queries)),
      integer("seed", "seed of parameters and episodes", 0, kOpen, MT_AT(seed)),
  };
  return fields;
}
#undef MT_AT

const Field& field(const std::string& key) {
  std::vector<std::string> names;
  for (const Field& f : schema()) {
    if (f.name == key) return f;
    names.push_back(f.name);
  }
  fail(ErrorKind::usage, key,
       "there is no such setting; did you mean {}? (metatape settings lists all)",
       nearest_name(key, names));
}

void apply_nested(Config& config, const json& value, const std::string& prefix) {
  for (const auto& [name, inner] : value.items()) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    if (inner.is_object())
      apply_nested(config, inner, key);
    else
      set_config(config, key, inner);
  }
}

}  // namespace

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const Field& f : schema()) keys.push_back({f.name, f.meaning, f.values});
  return keys;
}

void set_config(Config& config, const std::string& key, const json& value) {
  field(key).set(config, value);
}

void set_config(Config& config, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    fail(ErrorKind::usage, std::string(assignment), "expected key=value, for example inner.lr=0.4");
  const std::string key(assignment.substr(0, equals)), text(assignment.substr(equals + 1));
  const Field& f = field(key);
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded() || f.get(config).is_string()) value = text;
  f.set(config, value);
}

json to_json(const Config& config) {
  json nested = json::object();
  for (const Field& f : schema()) {
    json::json_pointer place;
    std::size_t start = 0;
    for (std::size_t dot; (dot = f.name.find('.', start)) != std::string::npos; start = dot + 1)
      place /= f.name.substr(start, dot - start);
    nested[place / f.name.substr(start)] = f.get(config);
  }
  return nested;
}

void apply_json(Config& config, const json& nested, const std::string& subject) {
  if (!nested.is_object())
    fail(ErrorKind::io, subject,
         "settings are {}, expected an object such as {{\"inner\": "
         "{{\"lr\": 0.4}}}}",
         nested.type_name());
  try {
    apply_nested(config, nested, "");
  } catch (const Error& e) {  // the settings are those of a file: it is the file that is wrong
    fail(ErrorKind::io, subject, "{}", e.what());
  }
}

void check_config(const Config& c) {
  check_closed_form(c);
  check_gradient_steps(c);
  if (c.task.kind == "sinusoid" && c.model.name != "mlp")
    fail(ErrorKind::usage, "model.name",
         "sinusoid tasks have one number as input, {} needs images; "
         "use model.name=mlp",
         c.model.name);
  if (c.task.kind != "sinusoid" && c.model.name == "mlp")
    fail(ErrorKind::usage, "model.name",
         "mlp is the network for sinusoid tasks, {} tasks have images; use model.name=conv4",
         c.task.kind);
  if (c.model.name == "resnet12" && c.model.context > 0)
    fail(ErrorKind::usage, "model.context",
         "resnet12 has no context parameters, found {}; drop it or use model.name=conv4",
         c.model.context);
  if (c.inner.adapt == "context" && c.model.context == 0)
    fail(ErrorKind::usage, "inner.adapt",
         "the model has no context parameters to adapt; give it some (model.context=100) or use "
         "inner.adapt=all");
  check_proximal(c);
  if (c.outer.optimizer == "normalized_sgd" && c.outer.momentum >= 1)
    fail(ErrorKind::usage, "outer.momentum",
         "normalized_sgd weights new gradients by 1 - momentum, found {}; use a value below 1",
         c.outer.momentum);
  if (c.outer.momentum > 0 && c.outer.optimizer == "adam")
    fail(ErrorKind::usage, "outer.momentum",
         "{} has moments of its own; drop it or use outer.optimizer=sgd", c.outer.optimizer);
  if (c.task.kind != "sinusoid" && c.task.ways < 2)
    fail(ErrorKind::usage, "task.ways",
         "a classification task needs two classes at least, found {}", c.task.ways);
  if (c.task.kind == "sinusoid" && c.task.ways != 1)
    fail(ErrorKind::usage, "task.ways", "a sinusoid task has no classes; expected 1, found {}",
         c.task.ways);
  if (c.inner.recompute && c.inner.order == "first")
    fail(ErrorKind::usage, "inner.recompute",
         "a first-order method keeps nothing of the inner steps: "
         "there is nothing to recompute; drop it or use inner.order=exact");
}

}  // namespace metatape
