#pragma once

#include <cstdint>

#include "engine/params.h"
#include "engine/tensor.h"

namespace metatape {

/// A small few-shot problem: a convolutional network with batch norm and max-pooling, adapted by
/// gradient steps on a support set and judged on a query set.
struct MamlOptions {
  int steps = 5;
  std::int64_t tasks = 3;
  std::int64_t ways = 3, images = 6;  ///< images of each set
  std::int64_t size = 6;              ///< height and width
  std::int64_t filters = 4;
  int blocks = 2;
  bool recompute = false;
  bool first_order = false;
  double lr = 0.2;
  DType dtype = DType::f64;
};

struct MamlTape {
  explicit MamlTape(const MamlOptions& = {});

  /// The loss, then the meta-gradient of each parameter.
  std::vector<Var> fetches() const;
  /// What a run needs beside the parameters.
  void feed(class Executor&) const;

  Tape tape;
  MamlOptions options;
  ParamSet theta;
  Var loss;  ///< mean query loss over tasks
  ParamSet meta_gradient;
  StateStore store;  ///< theta, drawn with a fixed seed
  StateStore inputs;

 private:
  Var network(const ParamSet& parameters, Var images) const;
  Var declare_input(const char* name, const Shape&, DType);
};

}  // namespace metatape
