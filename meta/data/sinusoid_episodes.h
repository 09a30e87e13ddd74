#pragma once

#include "kernels/common/philox.h"
#include "meta/data/episode_source.h"

namespace metatape {

struct SinusoidEpisodesOptions {
  std::int64_t shots = 10, queries = 10;  ///< points for support and query
  std::uint64_t seed = 0;
  kernels::RandomPurpose purpose = kernels::RandomPurpose::training_episodes;
};

/// One curve y = amplitude * sin(x - phase) and the places where it is seen.
struct SinusoidTask {
  double amplitude = 0, phase = 0;  ///< phase in radians
  std::vector<float> support_x, query_x;
};

/// Regression on sine curves without noise: amplitude ~ U[0.1, 5], phase ~ U[0, pi],
/// x ~ U[-5, 5]. Predicting 0 has a mean squared error of E[amplitude^2] / 2, about 4.25.
/// Source: Finn, Abbeel, Levine 2017, arXiv:1703.03400, section 5.1.
class SinusoidEpisodes final : public EpisodeSource {
 public:
  /// Errors: usage, for fewer than one shot or query.
  explicit SinusoidEpisodes(SinusoidEpisodesOptions);

  const EpisodeLayout& layout() const override { return layout_; }
  const std::string& name() const override { return name_; }
  void draw(std::uint32_t iteration, std::uint32_t first_task, std::uint32_t tasks,
            EpisodeBatch&) const override;
  /// Bits of amplitude and phase rounded to float, then of every support and query x.
  std::vector<std::uint32_t> provenance(std::uint32_t iteration, std::uint32_t task) const override;

  SinusoidTask choose(std::uint32_t iteration, std::uint32_t task) const;

 private:
  SinusoidEpisodesOptions options_;
  EpisodeLayout layout_;
  std::string name_;
};

}  // namespace metatape
