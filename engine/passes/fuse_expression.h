#pragma once

#include <optional>
#include <vector>

#include "engine/graph.h"
#include "kernels/fused/expression.h"

namespace metatape {

/// What a node computes from values in memory.
struct Cone {
  std::vector<int> leaves;  ///< values read, in the order of the operands; then the index, if any
  std::vector<int> inside;  ///< nodes computed on the way, the root among them if it is elementwise
  Shape loops;              ///< what the expression runs over
  kernels::FusedExpression expression;
  int scatter = -1;  ///< a pool_scatter inside; all have its index and shape
};

inline bool is_elementwise(const Node& node) { return op_def(node.op).elementwise.has_value(); }
inline bool is_sum(const Node& node) {
  return node.op == OpId::sum_to || node.op == OpId::sum_product_to;
}
/// Takes in an elementwise value to make something smaller of it.
inline bool is_reduction(const Node& node) {
  return is_sum(node) || node.op == OpId::max_pool_index;
}
/// What an expression can compute on the way.
bool can_be_inside(const Node&);

/// The cone of an elementwise node or a reduction: operands v with inlined(v) are computed, the
/// others are read. None if it has more operands, operations or registers than an expression can
/// have.
template <class Inlined>
std::optional<Cone> cone_of(const Graph&, int root, const Inlined& inlined);

/// Grows a cone from its root; cone_of() above is the way to use it.
class ConeBuilder {
 public:
  explicit ConeBuilder(const Graph& graph) : graph_(graph) {}

  template <class Inlined>
  std::optional<Cone> build(int root, const Inlined& inlined) {
    const Node& node = graph_.nodes[std::size_t(root)];
    cone_.loops = node.type.shape;
    if (is_elementwise(node)) {
      visit(root, true, inlined);
    } else {
      std::vector<int> terms;
      for (int input : node.inputs) terms.push_back(visit(input, inlined(input), inlined));
      cone_.loops = graph_.nodes[std::size_t(node.inputs[0])].type.shape;
      if (terms.size() == 2) {
        broadcast_shapes(cone_.loops, graph_.nodes[std::size_t(node.inputs[1])].type.shape,
                         &cone_.loops);
        step({kernels::ElementwiseFunction::mul, {}, terms[0], terms[1]});
      }
    }
    if (cone_.scatter >= 0 && (steps_.empty() || node.op == OpId::max_pool_index)) return {};
    if (!fits_ || !assign_slots()) return {};
    if (cone_.scatter >= 0) cone_.leaves.push_back(index_of(cone_.scatter));
    return std::move(cone_);
  }

 private:
  /// Sources: a leaf is its index, a step kFirstStep plus its index.
  static constexpr int kFirstStep = 1000;

  struct Step {
    kernels::ElementwiseFunction function;
    ElementwiseAttr constants;
    int a, b;
    bool operator==(const Step&) const = default;
  };

  template <class Inlined>
  int visit(int id, bool inside, const Inlined& inlined) {
    if (!fits_) return 0;
    if (!inside) return leaf(id);
    for (std::size_t i = 0; i < cone_.inside.size(); ++i)
      if (cone_.inside[i] == id) return results_[i];
    const Node& node = graph_.nodes[std::size_t(id)];
    if (node.op == OpId::pool_scatter) return scattered_leaf(id);
    int sources[2] = {};
    for (std::size_t k = 0; k < node.inputs.size(); ++k)
      sources[k] = visit(node.inputs[k], inlined(node.inputs[k]), inlined);
    if (node.inputs.size() == 1) sources[1] = sources[0];
    const int result = step(
        {*op_def(node.op).elementwise, node.attr.as<ElementwiseAttr>(), sources[0], sources[1]});
    cone_.inside.push_back(id);
    results_.push_back(result);
    return result;
  }

  /// The source of a step's result; an equal step that is there already serves, such as that of
  /// another recomputation.
  int step(const Step&);
  int leaf(int id, bool scattered = false);
  int scattered_leaf(int scatter);
  int index_of(int scatter) const { return graph_.nodes[std::size_t(scatter)].inputs[1]; }
  bool assign_slots();

  const Graph& graph_;
  Cone cone_;
  std::vector<Step> steps_;
  std::vector<int> results_;  ///< source of each node inside
  bool fits_ = true;
};

template <class Inlined>
std::optional<Cone> cone_of(const Graph& graph, int root, const Inlined& inlined) {
  return ConeBuilder(graph).build(root, inlined);
}

}  // namespace metatape
