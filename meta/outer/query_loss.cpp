#include "meta/outer/query_loss.h"
#include "meta/method/part.h"

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

const Part<QueryLoss> last_part{
    .name = "last",
    .formula = "L_query(phi_S), after the last inner step",
    .source = "Finn, Abbeel, Levine 2017, arXiv:1703.03400, eq. 1",
    .make = [](const Config&) { return make_last_step_loss(); },
};

}  // namespace metatape
