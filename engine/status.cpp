#include "engine/status.h"

#include <algorithm>
#include <cmath>

namespace metatape {
namespace {

using kernels::MatrixStatus;

/// `task 2`, or `task 2, matrix 1` where a task has several.
std::string place_of(const Shape& shape, std::int64_t matrix) {
  const std::int64_t per_task = matrix_count(shape) / shape.tasks();
  std::string text = fmt::format("task {}", matrix / per_task);
  if (per_task > 1) text += fmt::format(", matrix {}", matrix % per_task);
  return text;
}

/// `instruction %12, scope inner/0`
std::string instruction_of(const Graph& graph, const Node& node) {
  const std::string& scope = graph.tape->scope_name(graph.tape->at(node.instruction).scope);
  return fmt::format("instruction %{}{}{}", node.instruction, scope.empty() ? "" : ", scope ",
                     scope);
}

std::string reason_of(const MatrixStatus& s, std::int64_t n) {
  if (std::isnan(s.pivot))
    return "the matrix holds NaN or infinity; look for where they come from (a step size that is "
           "too large, a division by zero)";
  std::string text =
      fmt::format("the matrix is not numerically positive definite: pivot {} of {} is {:.6g}",
                  s.first_column, n, s.pivot);
  if (s.jitter_tries)
    text += fmt::format(", and {:.3g} more on the diagonal does not help", s.jitter);
  return text + "; add a larger multiple of the identity, or look for rows that repeat";
}

[[noreturn]] void fail_matrix(const Graph& graph, const Node& node, std::int64_t matrix,
                              const MatrixStatus& s) {
  const Loc where = graph.tape->at(node.instruction).where;
  Error error(ErrorKind::numerical, op_name(node.op),
              fmt::format("{}, {}: {} (recorded at {})", instruction_of(graph, node),
                          place_of(node.type.shape, matrix), reason_of(s, node.type.shape[-1]),
                          source_line(where)),
              where);
  error.instruction = node.instruction;
  throw error;
}

std::string warning_of(const Graph& graph, const Node& node, const MatrixStatus* status) {
  constexpr int kNamed = 4;  // matrices; a line stays readable
  const std::int64_t count = matrix_count(node.type.shape);
  std::string list;
  int jittered = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!status[i].jitter_tries || jittered++ >= kNamed) continue;
    list += fmt::format("{}{} by {:.3g} (pivot {} was {:.3g})", list.empty() ? "" : "; ",
                        place_of(node.type.shape, i), status[i].jitter, status[i].first_column,
                        status[i].pivot);
  }
  return fmt::format("[{}] {}: raised the diagonal of {} of {} matrices: {}{} (recorded at {})",
                     op_name(node.op), instruction_of(graph, node), jittered, count, list,
                     jittered > kNamed ? "; ..." : "",
                     source_line(graph.tape->at(node.instruction).where));
}

}  // namespace

std::int64_t matrix_count(const Shape& shape) { return shape.without_last(2).elements(); }

std::size_t status_bytes(const Shape& shape) {
  return std::size_t(matrix_count(shape)) * sizeof(MatrixStatus);
}

void read_status(const Graph& graph, int id, const MatrixStatus* status,
                 std::vector<std::string>& warnings) {
  const Node& node = graph.nodes[std::size_t(id)];
  const std::int64_t count = matrix_count(node.type.shape);
  const auto failed =
      std::find_if(status, status + count, [](const MatrixStatus& s) { return s.failed_column; });
  if (failed != status + count) fail_matrix(graph, node, failed - status, *failed);
  if (std::any_of(status, status + count, [](const MatrixStatus& s) { return s.jitter_tries; }))
    warnings.push_back(warning_of(graph, node, status));
}

}  // namespace metatape
