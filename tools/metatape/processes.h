#pragma once

// The processes that mpirun or srun started together to run one command.

#include <memory>
#include <string>

#include "engine/target.h"
#include "meta/training/ranks.h"

namespace metatape {

/// What a launcher says of this process in its environment.
struct Launch {
  int rank = 0, size = 1;
};
/// One process, unless Open MPI's mpirun, another launcher with PMI, or a step of srun started
/// several.
Launch find_launch();

/// Version and SHA-256 of this program.
std::string build_digest();

/// All processes of a command. A plain call, without a launcher, is alone and loads nothing.
class Processes {
 public:
  Processes() : launch_(find_launch()) {}

  const Launch& launch() const { return launch_; }

  /// Joins the others through MPI. Errors: usage, if this build has none, or if MPI and the
  /// launcher do not know of each other.
  void join();

  /// Those joined.
  Ranks ranks() const { return communicator_ ? Ranks(*communicator_) : Ranks(); }

  /// The target shared by all of them: each takes the GPU of its number on the machine, or, with
  /// `share_threads`, its part of the processors that it may use with others. Errors: device.
  Target shared(Target, bool share_threads);

  /// After a failure: the first returns at once, to say what it was and to end all; the others have
  /// some seconds to be ended in, before they say it themselves. So a common cause is told once.
  void wait_for_first() const;

  /// `message` with the name of this process, if it is not alone.
  std::string named(const std::string& message) const;

  /// Ends all processes that joined, this one with `exit_code`.
  void abort(int exit_code);

 private:
  Launch launch_;
  std::unique_ptr<kernels::Communicator> communicator_, of_gpus_;
};

}  // namespace metatape
