#include "meta/programs/recording.h"

#include "engine/ops.h"

namespace metatape {

DType precision_of(const Config& config) {
  return config.train.precision == "fp64" ? DType::f64 : DType::f32;
}

Recording begin_recording(const Config& config, const Model& model) {
  auto tape = std::make_unique<Tape>();
  const ParamSet theta = declare_parameters(*tape, model.parameters, precision_of(config));
  return {std::move(tape), theta};
}

EpisodeVars declare_episodes(Tape& tape, const EpisodeLayout& layout, std::int64_t tasks,
                             DType dtype) {
  auto examples = [&](const char* name, const std::vector<std::int64_t>& extents) {
    return tape.input(name, Shape(tasks, extents), dtype);
  };
  auto targets = [&](const char* name, const std::vector<std::int64_t>& extents) {
    return layout.kind == TaskKind::classification
               ? tape.input(name, Shape{extents[0]}.with_tasks(tasks), DType::i32)
               : tape.input(name, Shape{extents[0], layout.ways}.with_tasks(tasks), dtype);
  };
  return {examples("support_x", layout.support_x), targets("support_y", layout.support_x),
          examples("query_x", layout.query_x), targets("query_y", layout.query_x)};
}

Var trained_iterations(Tape& tape, const Config& config) {
  return fill(tape, {}, double(config.train.iterations), precision_of(config));
}

RecordedProgram end_recording(Recording recording, const EpisodeInput& input,
                              const CompileOptions& options) {
  Program program = compile(*recording.tape, options);
  return {std::move(recording.tape), std::move(program), input.source != nullptr};
}

}  // namespace metatape
