// kernels: times every kernel on the shapes of the workloads, one JSON object on a line for each.
// The first, where "ceiling", say what the machine reaches: bytes copied, a large product, and on a
// CPU multiply-adds in registers and a copy by all threads.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <thread>

#include "bench/kernel_cases.h"
#include "bench/statistics.h"
#include "engine/error.h"
#include "engine/target.h"

namespace metatape::bench {
namespace {

struct Arguments {
  std::string device = "cpu", precision = "fp32";
  std::vector<std::string> only;
  int threads = 0;
  Repetitions repetitions;
};

template <class Machine>
void time_case(const Arguments& a, const Case<Machine>& c, Machine& machine) {
  const std::string name = c.kernel + " " + c.where;
  auto contained = [&](const std::string& text) { return name.find(text) != std::string::npos; };
  if (!a.only.empty() && std::ranges::none_of(a.only, contained)) return;
  const std::function<void()> call = c.prepare(machine);
  const std::vector<double> samples =
      repeat(a.repetitions, [&] { return machine.milliseconds(call); });
  machine.release();
  const nlohmann::json line{{"kernel", c.kernel},     {"where", c.where},
                            {"shape", c.shape},       {"device", place_of(a.device)},
                            {"flops", c.flops},       {"bytes", c.bytes},
                            {"ms", summary(samples)}, {"precision", a.precision}};
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

template <class Machine>
void run(const Arguments& a, Machine& machine, Cases<Machine> ceilings,
         const std::vector<Layer>& layers) {
  for (const Case<Machine>& c : ceilings) time_case(a, c, machine);
  for (const Case<Machine>& c : all_cases<Machine>(layers)) time_case(a, c, machine);
}

void run_on(const Arguments& a) {
  const Device device = a.device == "cuda" ? Device::cuda : Device::cpu;
  require_device(device);
  if (device == Device::cpu) {
    const int cores = std::max(1, int(std::thread::hardware_concurrency()));
    const int threads = a.threads ? a.threads : cores;
    CpuMachine machine(threads);
    Cases<CpuMachine> ceilings;
    add_ceilings(ceilings, std::size_t{256} << 20, 1024);
    add_cpu_ceilings(ceilings, threads);
    return run(a, machine, std::move(ceilings), cpu_layers());
  }
#if MT_HAVE_CUDA
  CudaMachine machine(a.precision == "tf32" ? kernels::Precision::tf32 : kernels::Precision::fp32);
  Cases<CudaMachine> ceilings;
  add_ceilings(ceilings, std::size_t{2} << 30, 8192);
  run(a, machine, std::move(ceilings), gpu_layers());
#endif
}

}  // namespace
}  // namespace metatape::bench

int main(int argc, char** argv) {
  metatape::bench::Arguments a;
  CLI::App app("Times of the kernels; see bench/README.md");
  app.add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--precision", a.precision, "of products on a GPU")
      ->check(CLI::IsMember({"fp32", "tf32"}))
      ->capture_default_str();
  app.add_option("--only", a.only,
                 "cases whose kernel and place contain this text; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--threads", a.threads, "cpu: 0: one per core")->capture_default_str();
  app.add_option("--least", a.repetitions.least, "calls of each timed at least")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    metatape::bench::run_on(a);
  } catch (const metatape::Error& e) {
    fmt::print(stderr, "kernels: {}\n", e.what());
    return metatape::exit_code(e.kind);
  }
  return 0;
}
