#include "meta/regularize/amplitude.h"

#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/regularize/check_steps.h"
#include "meta/regularize/trajectory.h"

namespace metatape {
namespace {

class AmplitudeLoss : public Regularizer {
 public:
  explicit AmplitudeLoss(double coefficient) : coefficient_(coefficient) {}

  Var penalty(const TaskBatch& tasks, const Learned& learned) const override {
    if (learned.trajectory.gradient.empty())
      fail(ErrorKind::usage, "regularize.amplitude",
           "the method takes no gradient steps that could be long; use 0 or inner.steps=3");
    const Scope scope(*tasks.episode.query_x.tape, "regularize");
    return coefficient_ * path_length(learned.trajectory);
  }

 private:
  double coefficient_;
};

}  // namespace

std::shared_ptr<const Regularizer> make_amplitude_loss(double coefficient) {
  return std::make_shared<AmplitudeLoss>(coefficient);
}

const Part<Regularizer> amplitude_part{
    .name = "amplitude",
    .formula = "sum_k |phi_{k+1} - phi_k|",
    .source = "LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), eq. 9",
    .make = [](const Config& c) -> std::shared_ptr<const Regularizer> {
      return c.regularize.amplitude > 0 ? make_amplitude_loss(c.regularize.amplitude) : nullptr;
    },
    .check =
        [](const Config& c) {
          if (c.regularize.amplitude > 0) check_has_steps(c, "regularize.amplitude");
        },
};

}  // namespace metatape
