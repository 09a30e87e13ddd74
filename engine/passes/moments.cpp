// The variance of a batch norm is recorded as the sum of squares of what its mean leaves: two
// passes over the same values, one after the other. Both come from one pass that joins the moments
// of pieces, without the cancellation that the difference of two sums has.

#include <vector>

#include "engine/graph.h"
#include "engine/ops/attributes.h"
#include "engine/passes/append_node.h"
#include "engine/passes/fuse_cost.h"

namespace metatape {
namespace {

/// A sum over all axes but the last, its mean, and the sum of squared deviations from that.
struct Pair {
  int sum, mean, deviations;
  double count;  ///< values summed into each element
};
constexpr Pair kNone{-1, -1, -1, 0};

class Moments {
 public:
  Moments(Graph& graph, Device device)
      : graph_(graph),
        instruction_(instruction_of_task(device)),
        pair_of_sum_(graph.nodes.size(), kNone) {
    for (int n = 0; n < int(graph.nodes.size()); ++n)
      if (const Pair pair = pair_of(n); pair.sum >= 0) pair_of_sum_[std::size_t(pair.sum)] = pair;
  }

  void rewrite() {
    const int count = int(graph_.nodes.size());
    std::vector<int> moved_to(std::size_t(count), -1);
    for (int n = 0; n < count; ++n) {
      Node node = graph_.nodes[std::size_t(n)];
      for (int& input : node.inputs) input = moved_to[std::size_t(input)];
      if (const Pair& pair = pair_of_sum_[std::size_t(n)]; pair.sum >= 0) {
        const int both = emit(OpId::moments, {node.inputs[0]}, {}, node);
        const int mean = row_of(both, 0, node);
        moved_to[std::size_t(pair.mean)] = mean;
        moved_to[std::size_t(pair.deviations)] = row_of(both, 1, node);
        moved_to[std::size_t(n)] =
            emit(OpId::affine, {mean}, Attr::of(ElementwiseAttr{pair.count, 0}), node);
      }
      if (moved_to[std::size_t(n)] >= 0) continue;
      moved_to[std::size_t(n)] = int(nodes_.size());
      nodes_.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes_);
    graph_.move_results(moved_to);
  }

 private:
  const Node& node(int id) const { return graph_.nodes[std::size_t(id)]; }

  /// kNone if `deviations` is no such sum, or small.
  Pair pair_of(int deviations) const {
    const Node& squares = node(deviations);
    if (squares.op != OpId::sum_product_to || squares.inputs[0] != squares.inputs[1]) return kNone;
    const Node& centred = node(squares.inputs[0]);
    if (centred.op != OpId::sub) return kNone;
    const int x = centred.inputs[0];
    const Node& mean = node(centred.inputs[1]);
    if (mean.op != OpId::affine) return kNone;
    const Node& sum = node(mean.inputs[0]);
    if (sum.op != OpId::sum_to || sum.inputs[0] != x || sum.type != squares.type) return kNone;
    const Shape &from = node(x).type.shape, &to = sum.type.shape;
    const auto [alpha, beta] = mean.attr.as<ElementwiseAttr>();
    const double count = double(from.elements()) / double(to.elements());
    const bool is_mean = alpha == 1 / count && beta == 0;
    const bool keeps_last = from.rank() > 1 && to.rank() == from.rank() && to[-1] == from[-1] &&
                            to.tasks() == from.tasks() && to.elements() == to.tasks() * to[-1];
    const double bytes = double(from.elements_per_task()) * double(dtype_bytes(sum.type.dtype));
    if (!is_mean || !keeps_last || bytes < kNewInstructions * instruction_) return kNone;
    return {mean.inputs[0], centred.inputs[1], deviations, count};
  }

  int emit(OpId op, std::vector<int> inputs, const Attr& attr, const Node& like) {
    return append_node(nodes_, op, std::move(inputs), attr, like);
  }

  /// Row 0 or 1 of both moments, in the shape of the sum.
  int row_of(int both, std::int64_t row, const Node& sum) {
    const int slice = emit(OpId::slice, {both}, slice_attr(0, 2, row, 1, 1), sum);
    return emit(OpId::reshape, {slice}, reshape_attr(sum.type.shape), sum);
  }

  /// The two slices; the sum and the affine function were there.
  static constexpr double kNewInstructions = 2;

  Graph& graph_;
  const double instruction_;
  std::vector<Pair> pair_of_sum_;
  std::vector<Node> nodes_;
};

}  // namespace

void join_moments(Graph& graph, Device device) { Moments(graph, device).rewrite(); }

}  // namespace metatape
