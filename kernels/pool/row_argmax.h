#pragma once

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/pool/pool.h"

namespace metatape::kernels {

/// Neighbouring channels in a register of AVX2, and the same in memory. (No aliases: clang 16 drops
/// the alignment there.) GCC 12 makes no vectors of a choice between values and places.
template <class T>
struct ChannelLanes;
template <>
struct ChannelLanes<float> {
  typedef float Values __attribute__((vector_size(32)));
  typedef float Loose __attribute__((vector_size(32), aligned(4), may_alias));
};
template <>
struct ChannelLanes<double> {
  typedef double Values __attribute__((vector_size(32)));
  typedef double Loose __attribute__((vector_size(32), aligned(8), may_alias));
};

/// The largest value so far and its place, of one channel or of one in each lane.
template <class Values>
struct WindowMaximum {
  Values best, winner{};

  void consider(const Values& value, const Values& place) {
    const auto wins = (value > best) | ((value != value) & (best == best));
    best = wins ? value : best;
    winner = wins ? place : winner;
  }
};

/// Channels handled at a time.
inline constexpr std::int64_t kChannelBlock = 256;

/// index[c] = place of the winner in the window that begins at `values`, for `channels` channels.
/// A constant as the window's side is unrolled.
template <class Window, class T>
void window_argmax(const PoolGeometry& g, Window window, const T* values, std::int64_t channels,
                   WindowPlace* __restrict index) {
  using Values = typename ChannelLanes<T>::Values;
  constexpr std::int64_t kLanes = sizeof(Values) / sizeof(T);
  const auto lanes_at = [&](std::int64_t element) -> Values {
    return *reinterpret_cast<const typename ChannelLanes<T>::Loose*>(values + element);
  };
  const auto element = [&](std::int64_t place) {
    return (place / window * g.width + place % window) * g.channels;
  };
  const std::int64_t places = window * window;

  alignas(Values) std::array<T, kChannelBlock> winners;  // small integers, narrowed in one loop
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    WindowMaximum<Values> maximum{lanes_at(c)};
    for (std::int64_t place = 1; place < places; ++place)
      maximum.consider(lanes_at(element(place) + c), Values{} + T(place));
    *reinterpret_cast<Values*>(winners.data() + c) = maximum.winner;
  }
  for (; c < channels; ++c) {
    WindowMaximum<T> maximum{values[c]};
    for (std::int64_t place = 1; place < places; ++place)
      maximum.consider(values[element(place) + c], T(place));
    winners[c] = maximum.winner;
  }
  for (c = 0; c < channels; ++c) index[c] = WindowPlace(std::int32_t(winners[c]));
}

template <class Window, class T>
void row_argmax_of(const PoolGeometry& g, Window window, const T* rows, WindowPlace* index) {
  for (std::int64_t q = 0; q < g.out_width(); ++q)
    for (std::int64_t c = 0; c < g.channels; c += kChannelBlock)
      window_argmax(g, window, rows + q * g.stride * g.channels + c,
                    std::min(kChannelBlock, g.channels - c), index + q * g.channels + c);
}

/// A row of max_pool_index, index[q, c], over the windows that begin in the first of these rows.
template <class T>
void row_argmax(const PoolGeometry& g, const T* rows, WindowPlace* index) {
  if (g.window == 2)
    row_argmax_of(g, std::integral_constant<std::int64_t, 2>{}, rows, index);
  else
    row_argmax_of(g, g.window, rows, index);
}

}  // namespace metatape::kernels
