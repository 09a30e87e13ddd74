#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/tape.h"

namespace metatape {

enum class TaskKind { classification, regression };

/// What one task looks like.
struct EpisodeLayout {
  TaskKind kind = TaskKind::classification;
  std::int64_t ways = 0;                ///< classes of a task; outputs of a regression
  std::vector<std::int64_t> support_x;  ///< [ways*shots, H, W, C] or [points, 1]
  std::vector<std::int64_t> query_x;    ///< [ways*queries, H, W, C] or [points, 1]
};

/// `tasks` tasks, each contiguous: T in front of the layout's extents.
struct EpisodeBatch {
  std::int64_t tasks = 0;
  std::vector<float> support_x, query_x;            ///< [T, N, H, W, C] (byte / 255) or [T, K, 1]
  std::vector<std::int32_t> support_y, query_y;     ///< classification: labels [T, N], class-major
  std::vector<float> support_target, query_target;  ///< regression: [T, K, 1]
};

/// The data of a batch of tasks, on the tape.
struct EpisodeVars {
  Var support_x, support_y, query_x, query_y;
};

/// Bytes that an input of a program holds from its first run to its last.
struct ResidentInput {
  std::string name;
  std::span<const std::byte> bytes;
};

/// A distribution over tasks. Task `t` of iteration `i` depends on nothing but (seed, purpose, i,
/// t): any cut of the tasks over chunks, devices or processes gives the same ones.
class EpisodeSource {
 public:
  virtual ~EpisodeSource() = default;

  virtual const EpisodeLayout& layout() const = 0;

  /// Says what is drawn from what: for results and messages.
  virtual const std::string& name() const = 0;

  /// Replaces `batch` by tasks first_task .. first_task + tasks - 1 of the iteration.
  virtual void draw(std::uint32_t iteration, std::uint32_t first_task, std::uint32_t tasks,
                    EpisodeBatch& batch) const = 0;

  /// Numbers that say exactly what the task holds, before any floating-point arithmetic whose last
  /// bit may differ between machines.
  virtual std::vector<std::uint32_t> provenance(std::uint32_t iteration,
                                                std::uint32_t task) const = 0;

  /// Whether a program can draw the tasks itself, with record().
  virtual bool can_record() const { return false; }

  /// Records the draw of tasks first_task .. first_task + tasks - 1 of the iteration: what draw()
  /// gives, bit for bit. iteration and first_task are i32 []; dtype is that of the examples. Its
  /// program needs the inputs resident() before its first run. Errors: usage, unless can_record().
  virtual EpisodeVars record(Tape&, Var iteration, Var first_task, std::int64_t tasks,
                             DType dtype) const;

  /// Inputs of a recorded draw. The bytes live as long as the source.
  virtual std::vector<ResidentInput> resident() const { return {}; }
};

/// SHA-256 over name and provenance of the first `episodes` tasks of iteration 0: two evaluations
/// with the same digest saw the same tasks.
std::string episodes_digest(const EpisodeSource&, std::uint32_t episodes);

}  // namespace metatape
