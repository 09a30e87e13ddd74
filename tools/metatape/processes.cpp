#include "tools/metatape/processes.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "engine/io/sha256.h"
#include "kernels/ranks/mpi_communicator.h"
#if MT_HAVE_CUDA
#include "kernels/ranks/nccl_communicator.h"
#endif

namespace metatape {
namespace {

/// Variables of launchers: the number of processes, and which of them this is. Those of Slurm's
/// steps come last: mpirun starts its helpers as a step.
constexpr std::pair<const char*, const char*> kVariables[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"PMI_SIZE", "PMI_RANK"},
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

int number_in(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::atoi(text) : otherwise;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

/// The processors that this process may use: one digit for each.
std::string allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return "";
  std::string digits;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) digits += CPU_ISSET(cpu, &set) ? '1' : '0';
  return digits;
}

}  // namespace

Launch find_launch() {
  for (const auto& [size, rank] : kVariables)
    if (const int processes = number_in(size, 0); processes > 0)
      return {std::clamp(number_in(rank, 0), 0, processes - 1), processes};
  return {};
}

std::string build_digest() {
  std::ifstream program("/proc/self/exe", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(program), {}};
  return MT_VERSION " " + Sha256().update(bytes).hex();
}

void Processes::join() {
  if (launch_.size == 1) return;
  if (!kernels::built_with_mpi())
    fail(ErrorKind::usage, "ranks",
         "a launcher started {} processes, but this build has no MPI; install libopenmpi-dev and "
         "openmpi-bin and build again (MT_MPI=ON), or start one process",
         launch_.size);
  communicator_ = kernels::make_mpi_communicator();
  if (communicator_->size() != launch_.size)
    fail(ErrorKind::usage, "ranks",
         "the launcher started {} processes, MPI sees {}: they do not know of each other; with "
         "Slurm use srun --mpi=pmix, or mpirun, of the MPI that this program was built with",
         launch_.size, communicator_->size());
}

Target Processes::shared(Target target, bool share_threads) {
  const Ranks all = ranks();
  target.ranks = all.size();
  if (all.size() == 1) {
    require_device(target.device);
    return target;
  }
  const std::vector<std::string> hosts = all.texts(host_name());
  const std::string processors = allowed_processors();
  const std::vector<std::string> sets = all.texts(processors);
  int on_host = 0, sharing = 0;
  for (int r = 0; r < all.size(); ++r) {
    const bool same_host = hosts[std::size_t(r)] == hosts[std::size_t(all.rank())];
    on_host += same_host && r < all.rank();
    sharing += same_host && sets[std::size_t(r)] == processors;
  }
  if (share_threads) {
    const auto allowed = std::count(processors.begin(), processors.end(), '1');
    target.threads = std::max(1, int(allowed) / sharing);
  }
  use_device(target.device, on_host);
  target.communicator = communicator_.get();
#if MT_HAVE_CUDA
  if (target.device == Device::cuda) {
    of_gpus_ = kernels::make_nccl_communicator(*communicator_);
    if (!of_gpus_)
      fail(ErrorKind::usage, "ranks",
           "this build has no NCCL, which several GPUs need; install libnccl-dev and build again "
           "(MT_NCCL=ON), or use --device cpu");
    if (const char* failure = of_gpus_->failure()) fail(ErrorKind::device, "ranks", "{}", failure);
    target.communicator = of_gpus_.get();
  }
#endif
  return target;
}

void Processes::wait_for_first() const {
  if (launch_.rank == 0) return;
  std::signal(SIGTERM, SIG_DFL);  // launchers end processes with it, and wait a second
  std::this_thread::sleep_for(std::chrono::seconds(3));
}

std::string Processes::named(const std::string& message) const {
  if (launch_.size == 1) return message;
  return fmt::format("rank {} of {}: {}", launch_.rank, launch_.size, message);
}

void Processes::abort(int exit_code) {
  if (communicator_) communicator_->abort(exit_code);
}

}  // namespace metatape
