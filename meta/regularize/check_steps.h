#pragma once

#include "meta/settings/config.h"
#include "meta/settings/refuse.h"

namespace metatape {

/// Refuses the setting `key`, which is about inner steps, where there are none.
inline void check_has_steps(const Config& c, const char* key) {
  refuse_if(c.inner.solver != "gradient", key, "{} takes no gradient steps; drop it",
            c.inner.solver);
  refuse_if(c.inner.steps == 0, key,
            "there are no inner steps to be straight or long; use inner.steps=3");
}

}  // namespace metatape
