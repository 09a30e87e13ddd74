#pragma once

#include <string>
#include <vector>

#include "engine/exec/cpu_executor.h"
#include "engine/ops.h"

namespace metatape {

/// A tape whose values are given where they are declared, and that is run in one call.
struct Sandbox {
  Tape tape;
  StateStore store;

  /// A state with these elements.
  Var value(const Shape& shape, const std::vector<double>& elements, DType dtype = DType::f64) {
    const std::string name = "value/" + std::to_string(store.size());
    store[name] = Tensor::of<double>(shape, dtype, elements);
    return tape.state(name, shape, dtype);
  }
  Var scalar(double x) { return value({}, {x}); }
  /// Zeros, where only shapes matter.
  Var zeros(const Shape& shape, DType dtype = DType::f64) {
    return value(shape, std::vector<double>(std::size_t(shape.elements()), 0.0), dtype);
  }

  std::vector<Tensor> run_all(const std::vector<Var>& fetch) {
    const Program program = compile(tape, {.fetch = fetch});
    CpuExecutor executor(program, store);
    executor.run();
    std::vector<Tensor> results;
    for (std::size_t k = 0; k < fetch.size(); ++k) results.push_back(executor.fetch(k));
    return results;
  }
  std::vector<double> run(Var v) { return run_all({v})[0].values(); }
};

}  // namespace metatape
