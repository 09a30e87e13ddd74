#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/params.h"

namespace metatape {

/// Mean and biased variance of what reaches a batch-norm layer: T x [1, ..., 1, C].
struct BatchMoments {
  Var mean, variance;
};
/// The moments of every batch-norm layer of a network, by the name of the layer.
using BatchStatistics = std::map<std::string, BatchMoments>;

/// What the batch-norm layers of one pass through a network normalise with. Moments are values on
/// the tape: derivatives go through them, from whichever batch they come.
///
///   transductive   model.forward(phi, query_x)
///   inductive      BatchStatistics support;
///                  model.forward(phi, support_x, {.seen = &support});
///                  model.forward(phi, query_x, {.given = &support});
///
/// With given moments the examples of a batch do not see each other: a query alone and the same
/// query among others have the same features. A second pass over the support costs nothing where
/// the inner loop has recorded the same one: common subexpressions merge.
/// Running averages are states that are given. Statistics of each inner step (MAML++, Antoniou et
/// al. 2019, arXiv:1810.09502) are one BatchStatistics for each step; scale and shift of each step
/// are a ParamSet in which the entries of the parameters that normalise are those of the step.
struct BatchNormPass {
  const BatchStatistics* given = nullptr;  ///< null: the moments of the batch itself
  BatchStatistics* seen = nullptr;         ///< where the moments of the batch go; null: nowhere
};

/// A function with parameters, in two parts: all that a method needs to know of a network.
struct Model {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<std::int64_t> input;  ///< extents of one example: [H,W,C] or [features]
  std::int64_t feature_count = 0;   ///< features per example
  std::int64_t outputs = 0;         ///< logits, or regression outputs, per example

  /// All but the last layer: x [N, input...] -> [N, feature_count]. Reads the parameters of the
  /// groups body and context. Call it as features().
  std::function<Var(const ParamSet&, Var x, const BatchNormPass&)> body;
  /// The last layer: [N, feature_count] -> [N, outputs]. Reads the parameters of the group head.
  std::function<Var(const ParamSet&, Var features)> head;

  /// What closed-form heads work on. Parameters and x may have a task extent, here and below.
  Var features(const ParamSet& p, Var x, const BatchNormPass& pass = {}) const {
    return body(p, x, pass);
  }
  /// head(features(x)): x [N, input...] -> [N, outputs].
  Var forward(const ParamSet& p, Var x, const BatchNormPass& pass = {}) const {
    return head(p, body(p, x, pass));
  }

  std::int64_t parameter_count() const {
    std::int64_t count = 0;
    for (const Parameter& p : parameters) count += p.shape.elements();
    return count;
  }
};

}  // namespace metatape
