#include "meta/data/episode_source.h"

#include <array>

#include "engine/error.h"
#include "engine/io/sha256.h"

namespace metatape {

EpisodeVars EpisodeSource::record(Tape&, Var, Var, std::int64_t, DType) const {
  fail(ErrorKind::usage, "episodes",
       "{}: a program cannot draw these tasks itself; feed what draw() gives", name());
}

std::string episodes_digest(const EpisodeSource& source, std::uint32_t episodes) {
  Sha256 hash;
  hash.update(source.name());
  for (std::uint32_t task = 0; task < episodes; ++task) {
    for (std::uint32_t word : source.provenance(0, task)) {
      const std::array<std::byte, 4> little_endian = {std::byte(word), std::byte(word >> 8),
                                                      std::byte(word >> 16), std::byte(word >> 24)};
      hash.update(little_endian);
    }
  }
  return hash.hex();
}

}  // namespace metatape
