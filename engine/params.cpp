#include "engine/params.h"

#include "engine/autodiff.h"
#include "engine/ops.h"

namespace metatape {
namespace {

template <class F>
ParamSet map(const ParamSet& a, F&& f) {
  std::vector<Var> values;
  for (const auto& entry : a.entries()) values.push_back(f(entry.value));
  return a.with_values(values);
}

template <class F>
ParamSet zip(const ParamSet& a, const ParamSet& b, F&& f) {
  if (a.size() != b.size())
    fail(ErrorKind::usage, "parameters", "sets of {} and {} entries do not match", a.size(),
         b.size());
  std::vector<Var> values;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.entries()[i].name != b.entries()[i].name)
      fail(ErrorKind::usage, "parameters", "entry {} is {} in one set and {} in the other", i,
           a.entries()[i].name, b.entries()[i].name);
    values.push_back(f(a.entries()[i].value, b.entries()[i].value));
  }
  return a.with_values(values);
}

}  // namespace

void ParamSet::add(std::string name, std::string group, Var value) {
  for (const Entry& e : entries_)
    if (e.name == name) fail(ErrorKind::usage, name, "a parameter of that name is declared twice");
  entries_.push_back({std::move(name), std::move(group), value});
}

Var ParamSet::operator[](const std::string& name) const {
  std::vector<std::string> names;
  for (const Entry& e : entries_) {
    if (e.name == name) return e.value;
    names.push_back(e.name);
  }
  fail(ErrorKind::usage, name, "no parameter of that name; there are: {}", fmt::join(names, ", "));
}

std::vector<Var> ParamSet::values() const {
  std::vector<Var> values;
  for (const Entry& e : entries_) values.push_back(e.value);
  return values;
}

ParamSet ParamSet::with_values(std::span<const Var> values) const {
  ParamSet set = *this;
  for (std::size_t i = 0; i < entries_.size(); ++i) set.entries_[i].value = values[i];
  return set;
}

ParamSet declare_parameters(Tape& tape, std::span<const Parameter> parameters, DType dtype) {
  ParamSet set;
  for (const Parameter& p : parameters)
    set.add(p.name, p.group, tape.state("theta/" + p.name, p.shape, dtype));
  return set;
}

ParamSet operator+(const ParamSet& a, const ParamSet& b) {
  return zip(a, b, [](Var x, Var y) { return x + y; });
}

ParamSet operator-(const ParamSet& a, const ParamSet& b) {
  return zip(a, b, [](Var x, Var y) { return x - y; });
}

ParamSet operator*(double c, const ParamSet& a) {
  return map(a, [c](Var x) { return c * x; });
}

ParamSet operator*(Var c, const ParamSet& a) {
  return map(a, [c](Var x) { return c * x; });
}

Var dot(const ParamSet& a, const ParamSet& b) {
  Var total;
  zip(a, b, [&](Var x, Var y) {
    const Var part = dot(x, y);
    return total = total ? total + part : part;
  });
  return total;
}

Var norm(const ParamSet& a) { return sqrt(dot(a, a)); }

ParamSet stop_gradient(const ParamSet& a) {
  return map(a, [](Var x) { return stop_gradient(x); });
}

ParamSet broadcast_tasks(const ParamSet& a, std::int64_t tasks) {
  return map(a, [tasks](Var x) { return broadcast_tasks(x, tasks); });
}

ParamSet mean_tasks(const ParamSet& a) {
  return map(a, [](Var x) { return mean_tasks(x); });
}

ParamSet grad(Var loss, const ParamSet& params, Loc where) {
  return params.with_values(grad(loss, params.values(), where));
}

}  // namespace metatape
