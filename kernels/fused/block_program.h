#pragma once

#include "kernels/fused/expression.h"

namespace metatape::kernels {

/// An expression as loops over a block. Two operations of arithmetic of which the second alone
/// reads what the first computes are one loop, and what is between them stays in a register: the
/// same roundings, without a store and a load of each element.
template <class T>
class BlockProgram {
 public:
  explicit BlockProgram(const FusedExpression& expression) : expression_(expression) {
    for (int i = 0; i < expression.operations; i += steps_[count_++].operations)
      steps_[count_] = {i, is_pair(i) ? 2 : 1};
  }

  /// Where the block's elements stand, `count` of them: of each operand and register in slots, of
  /// registers also in results. The last operation writes to out, perhaps where an operand stands.
  void run(const T* const* slots, T* const* results, std::int64_t count, T* out) const {
    for (int s = 0; s < count_; ++s) {
      const FusedOperation& first = expression_.code[steps_[s].begin];
      const int end = steps_[s].begin + steps_[s].operations;
      const FusedOperation& last = expression_.code[end - 1];
      T* const result = end == expression_.operations ? out : results[last.result];
      if (steps_[s].operations == 1)
        apply(first, slots[first.a], slots[first.b], result, count);
      else
        apply_pair(first, last, slots, result, count);
    }
  }

 private:
  struct Step {
    int begin, operations;
  };

  static bool is_arithmetic(ElementwiseFunction f) {
    return f == ElementwiseFunction::add || f == ElementwiseFunction::sub ||
           f == ElementwiseFunction::mul;
  }

  bool is_pair(int i) const {
    if (i + 1 == expression_.operations) return false;
    const FusedOperation &first = expression_.code[i], &second = expression_.code[i + 1];
    const int between = first.result;
    return is_arithmetic(first.function) && is_arithmetic(second.function) &&
           (second.a == between) != (second.b == between) && !is_read_after(between, i + 1);
  }

  /// Whether what a register holds is read after operation i, before it is written again.
  bool is_read_after(int slot, int i) const {
    while (expression_.code[i].result != slot && ++i < expression_.operations)
      if (expression_.code[i].a == slot || expression_.code[i].b == slot) return true;
    return false;
  }

  // In place, step i reads and writes element i only; the pragma says so (see elementwise_cpu.cpp).
  template <class Function>
  static void map(Function f, const T* a, T* y, std::int64_t count) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) y[i] = f(a[i]);
  }
  template <class Function>
  static void map(Function f, const T* a, const T* b, T* y, std::int64_t count) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) y[i] = f(a[i], b[i]);
  }
  template <class Function>
  static void map(Function f, const T* a, const T* b, const T* c, T* y, std::int64_t count) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) y[i] = f(a[i], b[i], c[i]);
  }

  static void apply(const FusedOperation& op, const T* a, const T* b, T* y, std::int64_t count) {
    const Scalars<T> scalars{T(op.alpha), T(op.beta)};
    switch (op.function) {
#define MT_CASE(name)             \
  case ElementwiseFunction::name: \
    return map(functor::name<T>{scalars}, a, y, count);
      MT_UNARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
#define MT_CASE(name)             \
  case ElementwiseFunction::name: \
    return map(functor::name<T>{scalars}, a, b, y, count);
      MT_BINARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
    }
  }

  template <class Visit>
  static void with_arithmetic(ElementwiseFunction f, const Visit& visit) {
    if (f == ElementwiseFunction::add) return visit(functor::add<T>{});
    if (f == ElementwiseFunction::sub) return visit(functor::sub<T>{});
    return visit(functor::mul<T>{});
  }

  static void apply_pair(const FusedOperation& first, const FusedOperation& second,
                         const T* const* slots, T* y, std::int64_t count) {
    const T *a = slots[first.a], *b = slots[first.b];
    with_arithmetic(first.function, [&](auto f) {
      with_arithmetic(second.function, [&](auto g) {
        if (second.a == first.result)
          map([=](T u, T v, T w) { return g(f(u, v), w); }, a, b, slots[second.b], y, count);
        else
          map([=](T u, T v, T w) { return g(w, f(u, v)); }, a, b, slots[second.a], y, count);
      });
    });
  }

  const FusedExpression& expression_;
  Step steps_[kMaxFusedOperations];
  int count_ = 0;
};

}  // namespace metatape::kernels
