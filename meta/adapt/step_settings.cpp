#include "meta/adapt/step_settings.h"

#include "meta/settings/refuse.h"

namespace metatape {

void refuse_step_settings(const Config& c) {
  const Config none;
  const std::string& solver = c.inner.solver;
  refuse_if(c.inner.rates != none.inner.rates, "inner.rates",
            "{} takes no gradient steps whose sizes could be learned; drop it", solver);
  refuse_if(c.inner.optimizer != none.inner.optimizer, "inner.optimizer",
            "{} takes no gradient steps; drop it", solver);
  refuse_if(c.inner.batch > 0, "inner.batch", "{} needs the whole support set; drop it", solver);
  refuse_if(c.inner.per_step_norm, "inner.per_step_norm", "{} takes no gradient steps; drop it",
            solver);
  refuse_if(c.inner.exact_from > 0, "inner.exact_from",
            "{} takes no gradient steps to differentiate; drop it", solver);
}

}  // namespace metatape
