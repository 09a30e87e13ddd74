#include <fmt/format.h>

#include <numeric>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

using kernels::RandomPurpose;
using kernels::RandomStream;
using kernels::Turns;

/// Takes `count` numbers out of a list of 0..n-1.
std::vector<int> distinct(RandomStream& random, std::int64_t n, std::int64_t count) {
  std::vector<int> left(static_cast<std::size_t>(n)), taken;
  std::iota(left.begin(), left.end(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto place = left.begin() + random.below(std::uint32_t(left.size()));
    taken.push_back(*place);
    left.erase(place);
  }
  return taken;
}

std::vector<double> drawn(const DrawOptions& o, std::span<const Tensor> x) {
  const int turns_each = o.turns == Turns::as_groups ? 4 : 1;
  const Tensor& table = x[2];
  std::vector<double> y;
  for (std::int64_t t = 0; t < o.tasks; ++t) {
    RandomStream random(o.seed, o.purpose, std::uint32_t(x[0].at(0)),
                        std::uint32_t(x[1].at(0)) + std::uint32_t(t));
    for (int group : distinct(random, table.shape()[0] * turns_each, o.groups)) {
      int turn = group % turns_each;
      if (o.turns == Turns::per_group) turn = int(random.below(4));
      const std::int64_t row = group / turns_each;
      const auto count = std::int64_t(table.at(2 * row + 1));
      for (int member : distinct(random, count, o.members))
        y.insert(y.end(), {table.at(2 * row) + member, double(turn)});
    }
  }
  return y;
}

void add_draw_members(OpCases& cases) {
  const Operand number{{}, 0, 1000, DType::i32};
  for (Turns turns : {Turns::none, Turns::per_group, Turns::as_groups})
    for (const auto& [tasks, groups, members, rows] :
         std::initializer_list<std::array<std::int64_t, 4>>{
             {1, 1, 1, 1}, {2, 3, 5, 7}, {5, 5, 2, 5}, {3, 1, 7, 4}}) {
      const DrawOptions o{.tasks = tasks,
                          .groups = groups,
                          .members = members,
                          .turns = turns,
                          .seed = 11,
                          .purpose = RandomPurpose::validation_episodes};
      cases.push_back(
          {.subject = "draw_members",
           .op = OpId::draw_members,
           .name = fmt::format("{} tasks of {} x {} out of {}, turns {}", tasks, groups, members,
                               rows, int(turns)),
           // Firsts and counts come from the same range: no group is too small.
           .operands = {number, number, {{rows, 2}, 7, 30, DType::i32}},
           .build = [o](Tape&,
                        std::span<const Var> x) { return draw_members(x[0], x[1], x[2], o); },
           .reference = [o](std::span<const Tensor> x) { return drawn(o, x); },
           .curvature = Curvature::constant});
    }
}

/// Place of the pixel that (r, c) of the turned image shows: y[r,c] = x[c, W-1-r] for each turn.
std::pair<std::int64_t, std::int64_t> shown(std::int64_t r, std::int64_t c, std::int64_t side,
                                            std::int64_t turns) {
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    const std::int64_t row = c, column = side - 1 - r;
    r = row, c = column;
  }
  return {r, c};
}

std::vector<double> gathered(std::span<const Tensor> x) {
  const Shape& images = x[0].shape();
  const std::int64_t H = images[1], W = images[2], C = images[3];
  std::vector<double> y;
  for (std::int64_t i = 0; i < x[1].elements() / 2; ++i)
    for (std::int64_t r = 0; r < H; ++r)
      for (std::int64_t c = 0; c < W; ++c)
        for (std::int64_t k = 0; k < C; ++k) {
          const auto item = std::int64_t(x[1].at(2 * i));
          const auto [row, column] = shown(r, c, W, H == W ? std::int64_t(x[1].at(2 * i + 1)) : 0);
          const double byte =
              item < images[0] ? x[0].at(((item * H + row) * W + column) * C + k) : 0;
          y.push_back(double(float(byte) / 255.0f));
        }
  return y;
}

void add_gather_images(OpCases& cases) {
  for (const Shape& images : {Shape{4, 1, 1, 1}, Shape{5, 3, 3, 1}, Shape{3, 5, 5, 3},
                              Shape{6, 2, 3, 1}, Shape{4, 7, 7, 2}})
    for (const Shape& choice : {Shape{2}, Shape{7, 2}, per_task(3, {5, 2}), per_task(2, {2, 2})})
      cases.push_back(
          {.subject = "gather_images",
           .op = OpId::gather_images,
           .name = fmt::format("{} out of {}", choice.str(), images.str()),
           // 0 to 3: images and turns alike; image 3 is not there where there are 3
           .operands = {{images, 0, 256, DType::u8}, {choice, 0, 4, DType::i32}},
           .build = [](Tape&,
                       std::span<const Var> x) { return gather_images(x[0], x[1], DType::f64); },
           .reference = gathered,
           .curvature = Curvature::constant});
}

void add_increment(OpCases& cases) {
  for (const Shape& shape : sample_shapes())
    cases.push_back(
        {.subject = "increment",
         .op = OpId::increment,
         .name = shape.str(),
         .operands = {{shape, -9, 9, DType::i32}},
         .build = [](Tape&, std::span<const Var> x) { return increment(x[0]); },
         .reference = by_element(shape, [](std::span<const Tensor> x,
                                           const Index& at) { return element(x[0], at) + 1; }),
         .curvature = Curvature::constant});
}

}  // namespace

OpCases sampling_cases() {
  OpCases cases;
  add_draw_members(cases);
  add_gather_images(cases);
  add_increment(cases);
  return cases;
}

}  // namespace metatape
