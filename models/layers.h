#pragma once

// Layers that the networks share: what each declares, and what it computes. `layer` is the name
// before the dot of its parameters.

#include "engine/model.h"

namespace metatape {

using Parameters = std::vector<Parameter>;

/// <layer>.weight [outputs, inputs] and <layer>.bias [outputs], zero at the start.
void declare_linear(Parameters&, const std::string& layer, const std::string& group,
                    std::int64_t inputs, std::int64_t outputs, const Initializer& weight,
                    double bias = 0);
/// x [N, inputs] -> x weight' + bias [N, outputs].
Var linear(const ParamSet&, const std::string& layer, Var x);

/// The layer `head`. deviation: that of normal weights; 0: Glorot uniform.
void declare_head(Parameters&, std::int64_t features, std::int64_t outputs, double deviation);

/// <layer>.weight [filters, size, size, channels]. No bias: batch norm would cancel it, so its
/// gradient and Hessian would be exactly zero.
void declare_convolution(Parameters&, const std::string& layer, std::int64_t filters,
                         std::int64_t size, std::int64_t channels, const Initializer& weight);

/// <layer>.weight and <layer>.bias [channels], one and zero at the start.
void declare_batch_norm(Parameters&, const std::string& layer, std::int64_t channels);
/// x [..., C] normalised over all axes but the last, as the pass says; scaled and shifted.
/// Errors: usage, if the pass gives no moments for the layer.
Var batch_norm(const ParamSet&, const std::string& layer, Var x, double epsilon,
               const BatchNormPass&);

}  // namespace metatape
