#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace metatape::bench {

/// Value below which a share of the sorted samples lies, interpolated.
inline double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * double(sorted.size() - 1);
  const auto below = std::size_t(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - double(below)) * (sorted[above] - sorted[below]);
}

/// Median, quartiles, least and number of the samples, of which there is at least one.
inline nlohmann::json summary(std::vector<double> samples) {
  std::ranges::sort(samples);
  return {{"median", quantile(samples, 0.5)},
          {"quartile_1", quantile(samples, 0.25)},
          {"quartile_3", quantile(samples, 0.75)},
          {"least", samples.front()},
          {"n", samples.size()}};
}

/// What a result calls the device: times of emulated kernels must not pass for those of a GPU.
inline std::string place_of(const std::string& device) {
#if defined(MT_EMULATION)
  if (device == "cuda") return "emulation";
#endif
  return device;
}

/// How often something is timed: `least` times, then on until `seconds` are over or `most` is
/// reached.
struct Repetitions {
  int warm_up = 3, least = 20, most = 100;
  double seconds = 0.1;
};

/// Samples of `time_once`, which returns milliseconds.
template <class TimeOnce>
std::vector<double> repeat(const Repetitions& r, const TimeOnce& time_once) {
  for (int i = 0; i < r.warm_up; ++i) time_once();
  std::vector<double> samples;
  double spent = 0;
  while (int(samples.size()) < r.least || (spent < r.seconds && int(samples.size()) < r.most)) {
    samples.push_back(time_once());
    spent += samples.back() / 1e3;
  }
  return samples;
}

}  // namespace metatape::bench
