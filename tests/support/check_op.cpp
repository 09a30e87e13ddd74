#include "tests/support/check_op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "engine/autodiff.h"
#include "engine/exec/executor.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

/// What is measured of a case. L is <weights, y>, S is <weights, y + y^2 / 2>, J the Jacobian of y.
enum Quantity : std::size_t {
  kValue,
  kLoss,
  kGradient,          // of L
  kGradientOfSquare,  // of S
  kTangent,           // J v
  kPullback,          // J' weights
  kHessian,           // of L, times v
  kHessianForward,    // the same, forward over reverse
  kHessianOther,      // of L, times u
  kHessianOfSquare,   // of S, times v
  kHessianOfSquareForward,
  kHessianOfSquareOther,
  kQuantities
};

using Values = std::vector<double>;
using Inputs = std::map<std::string, Tensor>;
using Measured = std::array<Values, kQuantities>;

std::vector<Var> declare(Tape& tape, const std::string& prefix, std::span<const Var> like) {
  std::vector<Var> inputs;
  for (std::size_t k = 0; k < like.size(); ++k)
    inputs.push_back(tape.input(prefix + std::to_string(k), like[k].shape(), like[k].dtype()));
  return inputs;
}

/// A case on a tape, with everything that is measured of it.
struct Recording {
  Tape tape;
  std::vector<Var> operands, variables, v, u;
  Var weights;
  std::array<std::vector<Var>, kQuantities> quantity;

  Recording(const OpCase& sample, DType dtype) {
    for (std::size_t k = 0; k < sample.operands.size(); ++k) {
      const Operand& o = sample.operands[k];
      const DType type = o.dtype == DType::f64 ? dtype : o.dtype;
      operands.push_back(tape.input("x" + std::to_string(k), o.shape, type));
      if (is_float(type)) variables.push_back(operands.back());
    }
    const Var y = sample.build(tape, operands);
    quantity[kValue] = {y};
    const Var number = is_float(y.dtype()) ? y : cast(y, dtype);
    weights = tape.input("weights", number.shape(), number.dtype());
    if (variables.empty()) return;
    v = declare(tape, "v", variables);
    u = declare(tape, "u", variables);
    const Var loss = dot(weights, number);
    const Var square_loss = loss + 0.5 * dot(weights, square(number));
    quantity[kLoss] = {loss};
    quantity[kGradient] = grad(loss, variables);
    quantity[kGradientOfSquare] = grad(square_loss, variables);
    quantity[kTangent] = jvp({&number, 1}, variables, v);
    quantity[kPullback] = vjp({&number, 1}, {&weights, 1}, variables);
    record_second_order(loss, kHessian);
    record_second_order(square_loss, kHessianOfSquare);
  }

  std::vector<Var> fetches(std::span<const Quantity> wanted) const {
    std::vector<Var> all;
    for (Quantity q : wanted) all.insert(all.end(), quantity[q].begin(), quantity[q].end());
    return all;
  }

 private:
  void record_second_order(Var loss, std::size_t first) {
    quantity[first] = hvp(loss, variables, v, HvpForm::reverse_over_reverse);
    quantity[first + 1] = hvp(loss, variables, v, HvpForm::forward_over_reverse);
    quantity[first + 2] = hvp(loss, variables, u, HvpForm::reverse_over_reverse);
  }
};

std::vector<Quantity> all_quantities() {
  std::vector<Quantity> all;
  for (std::size_t q = 0; q < kQuantities; ++q) all.push_back(Quantity(q));
  return all;
}

/// A program that measures some quantities of a recording.
class Measurement {
 public:
  Measurement(const Recording& recording, std::vector<Quantity> wanted, Program program)
      : recording_(recording),
        wanted_(std::move(wanted)),
        program_(std::move(program)),
        executor_(make_executor(program_, store_)) {}

  Measured run(const Inputs& inputs) {
    for (const auto& [name, value] : inputs) {
      if (!executor_->has_input(name)) continue;
      executor_->input(name).set<double>(value.values());
    }
    executor_->run();
    Measured measured;
    std::size_t fetched = 0;
    for (Quantity q : wanted_)
      for (std::size_t k = 0; k < recording_.quantity[q].size(); ++k) {
        const Values part = executor_->fetch(fetched++).values();
        measured[q].insert(measured[q].end(), part.begin(), part.end());
      }
    return measured;
  }

 private:
  const Recording& recording_;
  std::vector<Quantity> wanted_;
  StateStore store_;
  Program program_;
  std::unique_ptr<Executor> executor_;
};

Program planned(const Recording& recording, std::span<const Quantity> wanted, const Target& target,
                bool share_sums = true) {
  return compile(recording.tape,
                 {.fetch = recording.fetches(wanted), .target = target, .share_sums = share_sums});
}

/// Every value has its own place; no pass has run but the one that drops what nobody needs.
Program unplanned(const Recording& recording, std::span<const Quantity> wanted) {
  Program program;
  program.graph = extract_graph(recording.tape, recording.fetches(wanted), {});
  remove_dead_code(program.graph);
  program.plan = make_plan(program.graph, program.target, {.share_memory = false});
  return program;
}

bool same_bits(const Values& a, const Values& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// Operands, directions and weights, rounded to f32 so that both types see the same numbers.
Inputs sample_inputs(const OpCase& sample, const Recording& recording) {
  std::mt19937_64 random(11);
  const bool dyadic = sample.sampling == Sampling::dyadic;
  auto draw = [&](const Var& like) {
    Tensor value(like.shape(), DType::f64);
    for (std::int64_t i = 0; i < value.elements(); ++i) {
      const double drawn = std::uniform_real_distribution<double>(-1, 1)(random);
      value.set_at(i, dyadic ? (drawn < 0 ? -1 : 1) : double(float(drawn)));
    }
    return value;
  };
  Inputs inputs{{"weights", draw(recording.weights)}};
  std::vector<Tensor> values = sample_operands(sample);
  for (std::size_t k = 0; k < values.size(); ++k) {
    for (std::int64_t i = 0; i < values[k].elements(); ++i)
      values[k].set_at(i, float(values[k].at(i)));
    inputs["x" + std::to_string(k)] = values[k];
  }
  for (std::size_t k = 0; k < recording.v.size(); ++k) {
    inputs["v" + std::to_string(k)] = draw(recording.v[k]);
    inputs["u" + std::to_string(k)] = draw(recording.u[k]);
  }
  return inputs;
}

Values joined(const Inputs& inputs, const std::string& prefix, std::size_t count) {
  Values all;
  for (std::size_t k = 0; k < count; ++k) {
    const Values part = inputs.at(prefix + std::to_string(k)).values();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

double inner_product(const Values& a, const Values& b, double* magnitude) {
  double total = 0;
  *magnitude = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    total += a[i] * b[i];
    *magnitude += std::abs(a[i] * b[i]);
  }
  return total;
}

void expect_same_product(const Values& a, const Values& b, const Values& c, const Values& d,
                         const std::string& what) {
  double left_magnitude = 0, right_magnitude = 0;
  const double left = inner_product(a, b, &left_magnitude);
  const double right = inner_product(c, d, &right_magnitude);
  ASSERT_TRUE(std::isfinite(left) && left_magnitude > 0 && right_magnitude > 0) << what;
  EXPECT_LE(std::abs(left - right), tolerance::kExactForms * (left_magnitude + right_magnitude))
      << what << ": " << left << " and " << right;
}

/// The checks of one case in f64, on values that were measured once.
class Checker {
 public:
  Checker(const OpCase& sample, const Recording& recording, const Inputs& inputs)
      : sample_(sample),
        recording_(recording),
        inputs_(inputs),
        step_(sample.sampling == Sampling::dyadic ? 1.0 / 64 : 1e-5),
        differences_(recording, kDifferenced, planned(recording, kDifferenced, {})) {}

  void check(const Measured& m) {
    const std::size_t count = recording_.variables.size();
    v_ = joined(inputs_, "v", count);
    u_ = joined(inputs_, "u", count);
    if (sample_.curvature == Curvature::constant) {
      for (Quantity q : {kGradient, kTangent, kHessian, kHessianOfSquare})
        expect_all_zero(m[q], "a derivative of a constant");
      return;
    }
    if (v_.empty() || m[kValue].empty()) return;
    first_order(m);
    second_order(m, kHessian, kGradient, sample_.curvature == Curvature::none);
    second_order(m, kHessianOfSquare, kGradientOfSquare, false);
  }

 private:
  static inline const std::vector<Quantity> kDifferenced{kValue, kLoss, kGradient,
                                                         kGradientOfSquare};

  void first_order(const Measured& m) {
    const Measured slope = central_difference(v_);
    expect_directional(m[kGradient], v_, slope, "gradient along v");
    expect_directional(m[kGradient], u_, central_difference(u_), "gradient along u");
    if (v_.size() <= 16) {
      Values by_element;
      for (std::size_t i = 0; i < v_.size(); ++i) {
        Values direction(v_.size(), 0.0);
        direction[i] = 1;
        by_element.push_back(total(central_difference(direction)[kLoss]));
      }
      expect_all_near(m[kGradient], by_element, tolerance::kGradient, "gradient, each element");
    }
    expect_all_near(m[kTangent], slope[kValue], tolerance::kGradient, "jvp",
                    smallest_tangent_scale(m));
    expect_same_product(inputs_.at("weights").values(), m[kTangent], m[kPullback], v_,
                        "<weights, J v> and <J' weights, v>");
  }

  void second_order(const Measured& m, std::size_t hessian, Quantity gradient, bool is_zero) {
    const Values &hv = m[hessian], &forward = m[hessian + 1], &hu = m[hessian + 2];
    if (is_zero) {
      expect_all_zero(hv, "H v of a function without curvature");
      expect_all_zero(forward, "H v, forward over reverse, of a function without curvature");
      return;
    }
    expect_all_near(hv, central_difference(v_)[gradient], tolerance::kHessianVector, "H v");
    expect_all_near(hu, central_difference(u_)[gradient], tolerance::kHessianVector, "H u");
    expect_all_near(forward, hv, tolerance::kExactForms, "H v, forward over reverse");
    expect_same_product(u_, hv, v_, hu, "u'Hv and v'Hu");
  }

  /// d quantity / d step along a direction over all variables.
  Measured central_difference(const Values& direction) {
    const Measured above = shifted(direction, step_), below = shifted(direction, -step_);
    Measured slope;
    for (Quantity q : kDifferenced)
      for (std::size_t i = 0; i < above[q].size(); ++i)
        slope[q].push_back((above[q][i] - below[q][i]) / (2 * step_));
    return slope;
  }

  Measured shifted(const Values& direction, double step) {
    Inputs inputs = inputs_;
    std::size_t next = 0;
    for (std::size_t k = 0; k < recording_.operands.size(); ++k) {
      if (!is_float(recording_.operands[k].dtype())) continue;
      Tensor& x = inputs.at("x" + std::to_string(k));
      for (std::int64_t i = 0; i < x.elements(); ++i)
        x.set_at(i, x.at(i) + step * direction[next++]);
    }
    return differences_.run(inputs);
  }

  static double total(const Values& loss_of_tasks) {
    double sum = 0;
    for (double loss : loss_of_tasks) sum += loss;
    return sum;
  }

  /// The parts of the directional derivative may cancel; each of them is computed to rounding.
  static void expect_directional(const Values& gradient, const Values& direction,
                                 const Measured& slope, const std::string& what) {
    double magnitude = 0;
    const double analytic = inner_product(gradient, direction, &magnitude);
    const double numeric[] = {total(slope[kLoss])};
    expect_all_near({&analytic, 1}, numeric, tolerance::kGradient, what, magnitude);
  }

  /// Single results can be flat along v; then the scale is that of the gradient.
  static double smallest_tangent_scale(const Measured& m) {
    double scale = 0;
    for (double g : m[kGradient]) scale = std::max(scale, std::abs(g));
    return scale;
  }

  const OpCase& sample_;
  const Recording& recording_;
  const Inputs& inputs_;
  const double step_;
  Measurement differences_;
  Values v_, u_;
};

void check_programs_agree(const Recording& recording, const Inputs& inputs, const Measured& m) {
  const std::vector<Quantity> all = all_quantities();
  const Measured apart = Measurement(recording, all, unplanned(recording, all)).run(inputs);
  // Shared sums round differently, which is what all other checks see.
  const Measured same_sums =
      Measurement(recording, all, planned(recording, all, {}, false)).run(inputs);
  const Measured threads =
      Measurement(recording, all, planned(recording, all, {.threads = 2})).run(inputs);
  for (Quantity q : all) {
    EXPECT_TRUE(same_bits(same_sums[q], apart[q]))
        << "planned and unplanned differ in quantity " << q;
    EXPECT_TRUE(same_bits(m[q], threads[q])) << "two threads differ in quantity " << q;
  }
}

/// Some samples ask for f64 whatever the operands are; a GPU has no kernels for it.
bool needs_double(const Program& program) {
  return std::ranges::any_of(program.graph.nodes,
                             [](const Node& n) { return n.type.dtype == DType::f64; });
}

void check_single_precision(const OpCase& sample, const Inputs& inputs, const Measured& expected,
                            const Target& target) {
  SCOPED_TRACE(device_name(target.device));
  const Recording recording(sample, DType::f32);
  const std::vector<Quantity> all = all_quantities();
  Program program = planned(recording, all, target);
  if (target.device == Device::cuda && needs_double(program)) return;
  const Measured m = Measurement(recording, all, std::move(program)).run(inputs);
  auto agree = [&](Quantity q, double tolerance, const char* what) {
    double largest = 0;
    for (double value : expected[q]) largest = std::max(largest, std::abs(value));
    if (largest == 0)
      expect_all_zero(m[q], what);
    else
      expect_all_near(m[q], expected[q], tolerance, what);
  };
  agree(kValue, tolerance::kSingleValue, "value in f32");
  agree(kGradient, tolerance::kSingleGradient, "gradient in f32");
  agree(kHessian, tolerance::kSingleHessianVector, "H v in f32");
  agree(kHessianOfSquare, tolerance::kSingleHessianVector, "H v of the square in f32");
}

}  // namespace

void check_op(const OpCase& sample) {
  SCOPED_TRACE(sample.subject + ": " + sample.name);
  const Recording recording(sample, DType::f64);
  const Inputs inputs = sample_inputs(sample, recording);
  const std::vector<Quantity> all = all_quantities();
  const Measured m = Measurement(recording, all, planned(recording, all, {})).run(inputs);

  if (sample.reference) {
    std::vector<Tensor> operands;
    for (std::size_t k = 0; k < sample.operands.size(); ++k)
      operands.push_back(inputs.at("x" + std::to_string(k)));
    expect_all_near(m[kValue], sample.reference(operands), tolerance::kExactForms, "value",
                    sample.curvature == Curvature::constant ? 1 : 0);
  }
  Checker(sample, recording, inputs).check(m);
  check_programs_agree(recording, inputs, m);
  check_single_precision(sample, inputs, m, {});
  if (cuda_device_present()) check_single_precision(sample, inputs, m, {.device = Device::cuda});
}

}  // namespace metatape
