#include <engine/autodiff.h>
#include <engine/exec/cpu_executor.h>
#include <engine/ops.h>

// d/dw of sum(w^3) at w = (1, 2) is (3, 12); its Hessian times (1, 1) is (6, 12).
int main() {
  using namespace metatape;
  Tape tape;
  const Var w = tape.state("w", {2}, DType::f64);
  const std::vector<Var> g = grad(sum(square(w) * w), std::vector{w});
  const std::vector<Var> hv = grad(sum(g[0]), std::vector{w});
  StateStore store{{"w", Tensor::of<double>({2}, DType::f64, std::vector{1.0, 2.0})}};
  const Program program = compile(tape, {.fetch = {g[0], hv[0]}});
  CpuExecutor executor(program, store);
  executor.run();
  return executor.fetch(0).at(1) == 12 && executor.fetch(1).at(1) == 12 ? 0 : 1;
}
