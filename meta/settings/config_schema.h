#pragma once

#include "meta/settings/config_field.h"

namespace metatape {

/// All settings in the order of `metatape settings`. The only list of them: the command line,
/// recipes, config.json and their checks follow from it.
const std::vector<Field>& config_schema();

}  // namespace metatape
