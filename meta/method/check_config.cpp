#include "meta/method/part.h"
#include "meta/programs/training_programs.h"
#include "meta/settings/config.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

void check_task_and_model(const Config& c) {
  const bool sinusoid = c.task.kind == "sinusoid";
  refuse_if(sinusoid && c.model.name != "mlp", "model.name",
            "sinusoid tasks have one number as input, {} needs images; use model.name=mlp",
            c.model.name);
  refuse_if(!sinusoid && c.model.name == "mlp", "model.name",
            "mlp is the network for sinusoid tasks, {} tasks have images; use model.name=conv4",
            c.task.kind);
  refuse_if(c.model.name == "resnet12" && c.model.context > 0, "model.context",
            "resnet12 has no context parameters, found {}; drop it or use model.name=conv4",
            c.model.context);
  refuse_if(!sinusoid && c.task.ways < 2, "task.ways",
            "a classification task needs two classes at least, found {}", c.task.ways);
  refuse_if(sinusoid && c.task.ways != 1, "task.ways",
            "a sinusoid task has no classes; expected 1, found {}", c.task.ways);
}

void check_optimizer(const Config& c) {
  refuse_if(c.outer.optimizer == "normalized_sgd" && c.outer.momentum >= 1, "outer.momentum",
            "normalized_sgd weights new gradients by 1 - momentum, found {}; use a value below 1",
            c.outer.momentum);
  refuse_if(c.outer.optimizer == "sgd" && c.outer.momentum >= 1, "outer.momentum",
            "gradients of the past would never fade, found {}; use a value below 1",
            c.outer.momentum);
  refuse_if(c.outer.momentum > 0 && c.outer.optimizer == "adam", "outer.momentum",
            "{} has moments of its own; drop it or use outer.optimizer=sgd", c.outer.optimizer);
}

void check_chunks(const Config& c) {
  if (c.outer.chunk == 0) return;
  refuse_if(c.outer.tasks % c.outer.chunk != 0, "outer.chunk",
            "chunks of {} do not make up {} tasks; expected a divisor of outer.tasks",
            c.outer.chunk, c.outer.tasks);
  refuse_if(c.outer.combine != "mean" && c.outer.chunk < c.outer.tasks, "outer.chunk",
            "{} needs the gradients of all tasks at once; use outer.chunk=0 or outer.combine=mean",
            c.outer.combine);
}

template <class Kind>
void check_part(const Part<Kind>& part, const Config& c) {
  if (part.check) part.check(c);
}

void check_parts(const Config& c) {
  check_part(chosen_part<Adaptation>(c), c);
  check_part(chosen_part<QueryLoss>(c), c);
  for (const Part<Regularizer>* part : parts<Regularizer>()) check_part(*part, c);
  check_part(chosen_part<MetaGradient>(c), c);
  check_part(chosen_part<Combination>(c), c);
}

}  // namespace

void check_config(const Config& c) {
  check_task_and_model(c);
  check_parts(c);
  if (c.outer.unlabelled_until > 0) check_parts(settings_at(c, 0));
  check_optimizer(c);
  check_chunks(c);
}

}  // namespace metatape
