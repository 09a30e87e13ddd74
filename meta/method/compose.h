#pragma once

#include "meta/data/episode_source.h"
#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

/// The parts that the settings name, put together. Settings that make no sense together were
/// refused by check_config().
Method compose(const Config&);

/// The same for programs without a meta-gradient, for which no inner step has to be cut.
Method compose_learning(Config);

Objective objective_of(TaskKind);
BatchNormProtocol protocol_of(const Config&);

/// The model with the meta-parameters that the method adds, and without those of a head that it
/// does not use.
Model with_method_parameters(Model, const Method&);

}  // namespace metatape
