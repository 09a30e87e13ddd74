#include "models/initialisation.h"

#include <cmath>

#include "kernels/common/philox.h"

namespace metatape {
namespace {

using kernels::RandomPurpose;
using kernels::RandomStream;

double draw(const Initializer& init, RandomStream& random) {
  switch (init.kind) {
    case Initializer::Kind::constant:
      return init.scale;
    case Initializer::Kind::uniform:
      return init.scale * (2 * random.uniform() - 1);
    case Initializer::Kind::normal:
      return init.scale * random.normal();
    case Initializer::Kind::truncated_normal: {
      double x;
      do x = random.normal();
      while (std::abs(x) > 2);
      return init.scale * x;
    }
  }
  return 0;
}

}  // namespace

Initializer glorot_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  return {Initializer::Kind::uniform, std::sqrt(6.0 / double(fan_in + fan_out))};
}

Initializer he_normal(std::int64_t fan) {
  return {Initializer::Kind::normal, std::sqrt(2.0 / double(fan))};
}

Initializer he_uniform_linear(std::int64_t fan_in) {
  return {Initializer::Kind::uniform, std::sqrt(3.0 / double(fan_in))};
}

void initialise(StateStore& store, std::span<const Parameter> parameters, DType dtype,
                std::uint64_t seed) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    RandomStream random(seed, RandomPurpose::initialisation, 0, std::uint32_t(i));
    Tensor value(p.shape, dtype);
    // Drawn in f32 precision, so that an f64 run starts from the same point as an f32 run.
    for (std::int64_t e = 0; e < value.elements(); ++e)
      value.set_at(e, double(float(draw(p.init, random))));
    store["theta/" + p.name] = std::move(value);
  }
}

}  // namespace metatape
