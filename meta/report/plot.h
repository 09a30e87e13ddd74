#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "meta/report/experiment.h"

namespace metatape {

struct Curve {
  std::string label;
  Band points;  ///< at least one
};

/// One picture: a curve for each experiment, with the band between its runs.
struct Plot {
  std::string name;  ///< of its files, without ending: letters, digits and '-'
  std::string title, x_label, y_label;
  std::vector<Curve> curves;
};

/// Writes folder/data/<name>.gp, a script for gnuplot, and folder/data/<name>-<curve>.dat (x, mean,
/// least, largest). Run in `folder` the script writes <name>.svg and <name>.png. Errors: io.
void write_plot_files(const Plot&, const std::filesystem::path& folder);

/// Whether the system has the program gnuplot.
bool has_gnuplot();

/// Runs the script of that plot. Errors: io, with what gnuplot said.
void run_gnuplot(const std::string& plot_name, const std::filesystem::path& folder);

}  // namespace metatape
