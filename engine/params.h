#pragma once

// Parameters by name: what a model declares, and the arithmetic of whole sets of them.

#include <span>
#include <string>
#include <vector>

#include "engine/tape.h"

namespace metatape {

/// How a parameter starts. `scale` is the bound of the uniform or the deviation of the normal
/// kinds.
struct Initializer {
  enum class Kind { constant, uniform, normal, truncated_normal } kind = Kind::constant;
  double scale = 0;  ///< constant: the value itself
};

/// What other frameworks call the same numbers. Inside, images are NHWC; files hold NCHW order.
enum class FileLayout {
  same,             ///< as it is inside
  filter,           ///< [K,R,S,C] inside, [K,C,R,S] in files
  linear_on_image,  ///< [out, H W C] inside, [out, C H W] in files: a head after flattening
};

/// The parts of a network that methods tell apart. A model puts each of its parameters into one.
namespace parameter_group {
inline constexpr const char* kBody = "body";        ///< what computes the features
inline constexpr const char* kHead = "head";        ///< the last layer
inline constexpr const char* kContext = "context";  ///< inputs that describe the task; start at 0
inline constexpr const char* kMethod = "method";    ///< what a method learns beside the network
}  // namespace parameter_group

/// One learnable array.
struct Parameter {
  std::string name;   ///< as PyTorch would call it: conv1.weight
  std::string group;  ///< one of parameter_group
  Shape shape;
  Initializer init = {};
  FileLayout layout = FileLayout::same;
  Shape image = {};         ///< [H,W,C] for linear_on_image
  bool normalises = false;  ///< scale or shift of a batch-norm layer
};

/// Ordered, named values. Arithmetic works entry by entry on sets of the same names.
class ParamSet {
 public:
  struct Entry {
    std::string name, group;
    Var value;
  };

  void add(std::string name, std::string group, Var value);
  /// The value of that name. Errors: usage, naming the parameters there are.
  Var operator[](const std::string& name) const;

  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  std::vector<Var> values() const;
  /// The same names and groups with other values.
  ParamSet with_values(std::span<const Var> values) const;

 private:
  std::vector<Entry> entries_;
};

/// Declares each parameter as the state `theta/<name>`.
ParamSet declare_parameters(Tape&, std::span<const Parameter>, DType);

ParamSet operator+(const ParamSet& a, const ParamSet& b);
ParamSet operator-(const ParamSet& a, const ParamSet& b);
ParamSet operator*(double c, const ParamSet& a);
/// Each task's entries times its own scalar: c T x [] or [].
ParamSet operator*(Var c, const ParamSet& a);
/// sum of <a_i, b_i> over all entries, of each task.
Var dot(const ParamSet& a, const ParamSet& b);
/// Euclidean norm over all entries, of each task. The derivative at zero is not finite.
Var norm(const ParamSet& a);
ParamSet stop_gradient(const ParamSet&);
ParamSet broadcast_tasks(const ParamSet&, std::int64_t tasks);
ParamSet mean_tasks(const ParamSet&);
/// d loss / d params, as a set.
ParamSet grad(Var loss, const ParamSet& params, Loc = Loc::current());

}  // namespace metatape
