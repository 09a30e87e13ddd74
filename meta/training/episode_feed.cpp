#include "meta/training/episode_feed.h"

#include <algorithm>

#include "meta/programs/task_chunks.h"

namespace metatape {
namespace {

template <class From, class To>
void convert(std::span<const From> values, std::span<std::byte> bytes) {
  auto* to = reinterpret_cast<To*>(bytes.data());
  std::copy(values.begin(), values.end(), to);
}

template <class T>
void feed(Executor& executor, const char* name, const std::vector<T>& values) {
  if (!executor.has_input(name)) return;
  Tensor& input = executor.input(name);
  if (std::int64_t(values.size()) != input.elements())
    fail(ErrorKind::internal, name, "{} values for {}", values.size(), input.shape().str());
  if (input.dtype() == DType::f64)
    convert<T, double>(values, input.bytes());
  else if (input.dtype() == DType::f32)
    convert<T, float>(values, input.bytes());
  else
    convert<T, std::int32_t>(values, input.bytes());
}

}  // namespace

void feed_episodes(Executor& executor, const EpisodeBatch& batch) {
  feed(executor, "support_x", batch.support_x);
  feed(executor, "query_x", batch.query_x);
  if (batch.support_target.empty() && batch.query_target.empty()) {
    feed(executor, "support_y", batch.support_y);
    feed(executor, "query_y", batch.query_y);
  } else {
    feed(executor, "support_y", batch.support_target);
    feed(executor, "query_y", batch.query_target);
  }
}

EpisodeFeed::EpisodeFeed(const RecordedProgram& recorded, const EpisodeSource& source,
                         Executor& executor)
    : source_(source), executor_(executor), draws_(recorded.draws_episodes) {
  if (!draws_) return;
  for (const auto& [name, bytes] : source.resident()) {
    if (!executor.has_input(name)) continue;
    const std::span<std::byte> input = executor.input(name).bytes();
    if (input.size() != bytes.size())
      fail(ErrorKind::internal, name, "{} bytes for an input of {}", bytes.size(), input.size());
    std::ranges::copy(bytes, input.begin());
  }
}

void EpisodeFeed::feed(std::int64_t iteration, std::int64_t first_task, std::int64_t tasks) {
  if (!draws_) {
    source_.draw(std::uint32_t(iteration), std::uint32_t(first_task), std::uint32_t(tasks), batch_);
    feed_episodes(executor_, batch_);
  }
  tell(iteration, first_task);
}

void EpisodeFeed::tell(std::int64_t iteration, std::int64_t first_task) {
  // A GPU is kept waiting by every input that is written.
  const auto write = [&](const char* name, std::int64_t value) {
    if (!executor_.has_input(name)) return;
    const auto [told, is_new] = told_.try_emplace(name, value);
    if (!is_new && told->second == value) return;
    told->second = value;
    executor_.input(name).set_at(0, double(value));
  };
  write(kFirstTask, first_task);
  write(kIterationInput, iteration);
}

}  // namespace metatape
