#include "meta/outer/query_loss.h"

namespace metatape {
namespace {

class LastStep : public QueryLoss {
 public:
  Var of(const TaskBatch& tasks, const Learned& learned) const override {
    const Var prediction = learned.predict(learned.steps, tasks.episode.query_x);
    return tasks.objective.loss(prediction, tasks.episode.query_y);
  }
};

}  // namespace

std::shared_ptr<const QueryLoss> make_last_step_loss() { return std::make_shared<LastStep>(); }

}  // namespace metatape
