// Sums that follow from other sums. What is linear in x can be summed once x is: the sum of a x + b
// y is a sum(x) + b sum(y), if a and b do not change along the axes that are summed. The
// derivatives of a batch norm ask for many sums over the same few tensors, and of most of them the
// parts are there already: each saves a pass over a tensor. The sum of what pool_scatter spreads is
// that of what it was given, a quarter of the elements; a product with it needs its other factor
// only where the maxima are, and there it is gathered anyway.
//
// A product of sums is not split into sums of products: in these the digits cancel that it has.

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "engine/graph.h"
#include "engine/ops/attributes.h"
#include "engine/passes/append_node.h"
#include "engine/passes/fuse_cost.h"
#include "engine/passes/fuse_expression.h"

namespace metatape {
namespace {

/// Extent of an axis counted from the last, which is -1; 1 where there is none.
std::int64_t extent(const Shape& s, int axis) { return -axis <= s.rank() ? s[axis] : 1; }

/// Summing an operand that is stretched to `over` down to `to`: what it is summed to itself, and
/// how often each of its elements is added.
struct OwnSum {
  Shape to;
  double repeated = 1;
};

OwnSum own_sum(const Shape& operand, const Shape& over, const Shape& to) {
  OwnSum own{operand};
  for (int axis = -1; - axis <= over.rank(); --axis) {
    if (extent(to, axis) == extent(over, axis)) continue;
    if (extent(operand, axis) == 1)
      own.repeated *= double(extent(over, axis));
    else
      own.to = own.to.with_extent(axis, 1);
  }
  if (to.tasks() != over.tasks()) {
    if (operand.tasks() == 1)
      own.repeated *= double(over.tasks());
    else
      own.to = own.to.with_tasks(1);
  }
  return own;
}

/// A way to a value: the bytes that it moves beyond what is there, and the node that has it.
struct Way {
  double bytes;
  std::function<int()> build;
};

/// The sum of a, or of a times b (b >= 0), to a shape with as many axes as they.
struct Sum {
  int a, b;
  Shape to;
};

class SharedSums {
 public:
  SharedSums(Graph& graph, Device device)
      : graph_(graph), instruction_(instruction_of_task(device)) {}

  void run() {
    for (const Node& node : graph_.nodes)
      if (const std::string key = key_of(node, graph_.nodes); !key.empty()) asked_.insert(key);
    for (int n = 0; n < int(graph_.nodes.size()); ++n) {
      current_ = graph_.nodes[std::size_t(n)];
      for (int& input : current_.inputs) input = moved_to_[std::size_t(input)];
      moved_to_.push_back(replacement());
      origin_.resize(nodes_.size(), -1);
      if (moved_to_.back() + 1 == int(nodes_.size())) origin_.back() = n;
    }
    graph_.nodes = std::move(nodes_);
    graph_.move_results(moved_to_);
  }

 private:
  const Node& node(int id) const { return nodes_[std::size_t(id)]; }
  const Shape& shape(int id) const { return node(id).type.shape; }
  double bytes(int id) const {
    return double(shape(id).elements_per_task()) * double(dtype_bytes(node(id).type.dtype));
  }
  int seen(int id) const {
    return node(id).op == OpId::stop_gradient ? seen(node(id).inputs[0]) : id;
  }

  // ---- what is there ---------------------------------------------------------------------------

  static std::string key_of(const Sum& s) {
    return fmt::format("sum {} {} {}", std::min(s.a, s.b), std::max(s.a, s.b), s.to.str());
  }
  static std::string gather_key(int x, int index) { return fmt::format("gather {} {}", x, index); }

  /// A sum as if its result had all axes of what it runs over.
  static Sum sum_of(const Node& sum, const std::vector<Node>& nodes) {
    const int a = sum.inputs[0], b = sum.inputs.size() == 2 ? sum.inputs[1] : -1;
    Shape over = nodes[std::size_t(a)].type.shape;
    if (b >= 0) broadcast_shapes(over, nodes[std::size_t(b)].type.shape, &over);
    Shape to = over.with_tasks(sum.type.shape.tasks());
    for (int axis = -1; - axis <= over.rank(); --axis)
      to = to.with_extent(axis, extent(sum.type.shape, axis));
    return {a, b, to};
  }

  static std::string key_of(const Node& node, const std::vector<Node>& nodes) {
    if (is_sum(node)) return key_of(sum_of(node, nodes));
    if (node.op == OpId::pool_gather) return gather_key(node.inputs[0], node.inputs[1]);
    return {};
  }

  /// Whether the program as it came has this, now or later.
  bool is_asked(const Sum& s) const {
    const auto origin = [&](int id) { return id < 0 ? id : origin_[std::size_t(id)]; };
    return asked_.contains(key_of({origin(s.a), origin(s.b), s.to}));
  }

  // ---- new nodes -------------------------------------------------------------------------------

  int emit(OpId op, std::vector<int> inputs, const Attr& attr) {
    return append_node(nodes_, op, std::move(inputs), attr, current_);
  }

  int reshaped(int id, const Shape& to) {
    return shape(id) == to ? id : emit(OpId::reshape, {id}, reshape_attr(to));
  }

  int emit_sum(const Sum& s) {
    const auto [there, is_new] = there_.try_emplace(key_of(s), int(nodes_.size()));
    if (!is_new) return reshaped(there->second, s.to);
    return s.b < 0 ? emit(OpId::sum_to, {s.a}, sum_attr(s.to))
                   : emit(OpId::sum_product_to, {s.a, s.b}, sum_attr(s.to));
  }

  int emit_gather(int x, int index, const Attr& pool) {
    const auto [there, is_new] = there_.try_emplace(gather_key(x, index), int(nodes_.size()));
    return is_new ? emit(OpId::pool_gather, {x, index}, pool) : there->second;
  }

  static Attr affine_attr(double alpha, double beta) {
    return Attr::of(ElementwiseAttr{alpha, beta});
  }

  // ---- ways to a sum ---------------------------------------------------------------------------

  Way scaled(const Way& way, double alpha, double beta = 0) {
    if (alpha == 1 && beta == 0) return way;
    return {way.bytes + instruction_,
            [=, this] { return emit(OpId::affine, {way.build()}, affine_attr(alpha, beta)); }};
  }

  Way joined(OpId op, const Way& a, const Way& b) {
    return {a.bytes + b.bytes + instruction_, [=, this] {
              const int left = a.build();
              return emit(op, {left, b.build()}, affine_attr(1, 0));
            }};
  }

  Way as_it_is(int id) const {
    return {0, [id] { return id; }};
  }

  /// The sum of x, stretched to `over`.
  Way way_to_part(int x, const Shape& over, const Shape& to) {
    const OwnSum own = own_sum(shape(x), over, to);
    return scaled(way_to({x, -1, own.to}), own.repeated);
  }

  bool is_constant(int x, const Shape& over, const Shape& to) const {
    return own_sum(shape(x), over, to).to == shape(x);
  }

  Way way_to(Sum s) {
    s.a = seen(s.a);
    if (s.b >= 0) s.b = seen(s.b);
    if (s.b < 0 && s.to == shape(s.a)) return as_it_is(s.a);
    const std::string key = key_of(s);
    const auto direct = [=, this] { return emit_sum(s); };
    if (there_.contains(key)) return {0, direct};
    if (const auto known = ways_.find(key); known != ways_.end()) return known->second;
    Way best{bytes(s.a) + (s.b < 0 || s.b == s.a ? 0 : bytes(s.b)) + instruction_, direct};
    if (depth_ < kDeepest) {
      ++depth_;
      s.b < 0 ? consider_parts(s, best) : consider_factors(s, best);
      --depth_;
    }
    if (depth_ > 0 && is_asked(s)) best.bytes = 0;
    return ways_[key] = best;
  }

  static void consider(Way way, Way& best) {
    if (way.bytes < best.bytes) best = std::move(way);
  }

  void consider_parts(const Sum& s, Way& best) {
    const Node x = node(s.a);
    const Shape& over = x.type.shape;
    switch (x.op) {
      case OpId::affine: {
        const auto [alpha, beta] = x.attr.as<ElementwiseAttr>();
        const double count = double(over.elements()) / double(s.to.elements());
        return consider(scaled(way_to({x.inputs[0], -1, s.to}), alpha, beta * count), best);
      }
      case OpId::add:
      case OpId::sub:
        return consider(joined(x.op, way_to_part(x.inputs[0], over, s.to),
                               way_to_part(x.inputs[1], over, s.to)),
                        best);
      case OpId::mul:
        for (int k = 0; k < 2; ++k) {
          const int factor = x.inputs[std::size_t(k)], other = x.inputs[std::size_t(1 - k)];
          if (!is_constant(factor, over, s.to)) continue;
          return consider(joined(OpId::mul, way_to_part(other, over, s.to), as_it_is(factor)),
                          best);
        }
        return consider(way_to({x.inputs[0], x.inputs[1], s.to}), best);
      case OpId::pool_scatter:
        if (s.to[1] == 1 && s.to[2] == 1) consider(way_to({x.inputs[0], -1, s.to}), best);
        return;
      default:
        return;
    }
  }

  void consider_factors(const Sum& s, Way& best) {
    Shape over;
    broadcast_shapes(shape(s.a), shape(s.b), &over);
    for (const auto& [u, other] : {std::pair(s.a, s.b), std::pair(s.b, s.a)}) {
      const Node x = node(u);
      if (is_constant(u, over, s.to))
        consider(joined(OpId::mul, way_to_part(other, over, s.to), as_it_is(u)), best);
      if (x.op == OpId::affine) {
        const auto [alpha, beta] = x.attr.as<ElementwiseAttr>();
        if (beta == 0) consider(scaled(way_to({x.inputs[0], other, s.to}), alpha), best);
      } else if (x.op == OpId::mul) {
        consider_factor(s, over, x.inputs[0], x.inputs[1], other, best);
        consider_factor(s, over, x.inputs[1], x.inputs[0], other, best);
      } else if (x.op == OpId::pool_scatter && s.to[1] == 1 && s.to[2] == 1) {
        const int pooled = x.inputs[0];
        const Way gathered = way_to_gather(other, x.inputs[1], x.attr);
        consider({gathered.bytes + 2 * bytes(pooled) + instruction_,
                  [=, this] {
                    const int there = gathered.build();
                    return emit_sum({pooled, there, s.to});
                  }},
                 best);
      }
    }
  }

  /// The sum of factor * x * other, with a factor that can stand before it.
  void consider_factor(const Sum& s, const Shape& over, int factor, int x, int other, Way& best) {
    if (!is_constant(factor, over, s.to)) return;
    Shape rest;
    broadcast_shapes(shape(x), shape(other), &rest);
    const OwnSum own = own_sum(rest, over, s.to);
    if (own.repeated != 1 || own.to == rest) return;
    consider(joined(OpId::mul, way_to({x, other, own.to}), as_it_is(factor)), best);
  }

  /// The elements of x that pooling chose. What is computed element by element can be gathered
  /// before.
  Way way_to_gather(int x, int index, const Attr& pool) {
    x = seen(x);
    const Node& from = node(x);
    const Shape& s = from.type.shape;
    if (extent(s, -2) == 1 && extent(s, -3) == 1) return as_it_is(x);
    if (from.op == OpId::pool_scatter && from.inputs[1] == index && !pool_windows_overlap(pool))
      return as_it_is(from.inputs[0]);
    Way direct{there_.contains(gather_key(x, index)) ? 0 : bytes(x) + 2 * bytes(index),
               [=, this] { return emit_gather(x, index, pool); }};
    if (!is_elementwise(from) || depth_ == kDeepest) return direct;
    const std::string key = gather_key(x, index);
    if (const auto known = ways_.find(key); known != ways_.end()) return known->second;
    std::vector<Way> operands;
    Way inside{0, {}};
    ++depth_;
    for (const int input : from.inputs) {
      operands.push_back(way_to_gather(input, index, pool));
      inside.bytes += operands.back().bytes;
    }
    --depth_;
    // From one operand of that size it is as cheap, and the next gather may find it done.
    if (inside.bytes > direct.bytes) return ways_[key] = direct;
    inside.build = [=, this, op = from.op, attr = from.attr] {
      std::vector<int> inputs;
      for (const Way& operand : operands) inputs.push_back(operand.build());
      return emit(op, inputs, attr);
    };
    return ways_[key] = inside;
  }

  // ---- the sweep -------------------------------------------------------------------------------

  int keep() {
    nodes_.push_back(current_);
    return int(nodes_.size()) - 1;
  }

  int replacement() {
    ways_.clear();
    if (current_.op == OpId::pool_gather) {
      const Way way = way_to_gather(current_.inputs[0], current_.inputs[1], current_.attr);
      return way.build();
    }
    if (!is_sum(current_)) return keep();
    Sum s = sum_of(current_, nodes_);
    s.a = seen(s.a);
    if (s.b >= 0) s.b = seen(s.b);
    const std::size_t before = nodes_.size();
    const int sum = way_to(s).build();
    there_.try_emplace(key_of(s), sum);
    if (sum == int(before) && is_sum(node(sum)) && node(sum).inputs == current_.inputs)
      nodes_.back() = current_;  // itself, with as many axes as it had
    return reshaped(sum, current_.type.shape);
  }

  /// Operations between a sum and its parts: a batch norm has less than ten, and a chain of
  /// thousands, as updates of parameters make, is not followed to its end.
  static constexpr int kDeepest = 32;

  Graph& graph_;
  const double instruction_;
  std::vector<Node> nodes_;
  std::vector<int> moved_to_;  ///< from the old nodes to the new
  std::vector<int> origin_;    ///< the old node of each new one, or -1
  Node current_;
  std::unordered_set<std::string> asked_;
  std::unordered_map<std::string, int> there_;
  std::unordered_map<std::string, Way> ways_;  ///< for the sum that is looked at
  int depth_ = 0;
};

}  // namespace

void share_sums(Graph& graph, Device device) { SharedSums(graph, device).run(); }

}  // namespace metatape
