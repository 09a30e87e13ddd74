#include "meta/report/plot.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/printable.h"
#include "meta/report/text.h"

namespace metatape {
namespace {

namespace fs = std::filesystem;

// Of the Okabe-Ito palette, told apart by colour-blind readers too.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000"};

std::string data_name(const Plot& plot, std::size_t curve) {
  return fmt::format("data/{}-{}.dat", plot.name, curve + 1);
}

/// Bands first, so that no band hides a line.
std::string plot_command(const Plot& plot) {
  std::string bands, lines;
  for (std::size_t k = 0; k < plot.curves.size(); ++k) {
    const std::string file = gnuplot_string(data_name(plot, k));
    const char* colour = kColours[k % std::size(kColours)];
    const auto style = plot.curves[k].points.size() > 1 ? "lines lw 2" : "points pt 7";
    bands += fmt::format(
        "  {} using 1:3:4 with filledcurves fs transparent solid 0.2 noborder "
        "lc rgb '{}' notitle, \\\n",
        file, colour);
    lines += fmt::format("{}  {} using 1:2 with {} lc rgb '{}' title {}", k ? ", \\\n" : "", file,
                         style, colour, gnuplot_string(plot.curves[k].label));
  }
  return "plot \\\n" + bands + lines + "\n";
}

/// Of the elements in an SVG: letters, digits and '_'; each picture of a page needs its own.
std::string element_name(const Plot& plot) {
  std::string name = "plot_" + plot.name;
  std::ranges::replace(name, '-', '_');
  return name;
}

/// Few whole numbers, as inner steps are, get a mark each; else gnuplot would mark 0.5.
bool marks_every_unit(const Plot& plot) {
  constexpr double kMostMarks = 15;
  return std::ranges::all_of(
      plot.curves, [](const Curve& curve) { return curve.points.back().x <= kMostMarks; });
}

std::string script_of(const Plot& plot) {
  // Names are data: 'noenhanced' prints '_', '^' and '{' as they are.
  std::string text = fmt::format(
      "set encoding utf8\n"
      "set title {} noenhanced\nset xlabel {} noenhanced\nset ylabel {} noenhanced\n"
      "set grid lc rgb '#dddddd'\nset border 3\nset tics nomirror out\n"
      "set key below left Left reverse noenhanced\nset offsets graph 0, graph 0, graph 0.05, "
      "graph 0.05\n",
      gnuplot_string(plot.title), gnuplot_string(plot.x_label), gnuplot_string(plot.y_label));
  if (marks_every_unit(plot)) text += "set xtics 1\n";
  const std::string command = plot_command(plot);
  text += fmt::format(
      "set terminal svg size 720,440 dynamic noenhanced font 'sans-serif,13' name {} background "
      "'white'\nset output {}\n{}unset output\n",
      gnuplot_string(element_name(plot)), gnuplot_string(plot.name + ".svg"), command);
  return text + fmt::format(
                    "set terminal png size 1080,660 noenhanced font 'sans,15' background "
                    "'white'\nset output {}\n{}unset output\n",
                    gnuplot_string(plot.name + ".png"), command);
}

std::string text_in(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

void write_plot_files(const Plot& plot, const fs::path& folder) {
  for (std::size_t k = 0; k < plot.curves.size(); ++k) {
    std::string rows = "# x mean least largest\n";
    for (const BandPoint& p : plot.curves[k].points)
      rows += fmt::format("{} {} {} {}\n", p.x, p.mean, p.low, p.high);
    write_file_atomically(folder / data_name(plot, k), rows);
  }
  write_file_atomically(folder / "data" / (plot.name + ".gp"), script_of(plot));
}

bool has_gnuplot() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((fs::path(folder) / "gnuplot").c_str(), X_OK) == 0) return true;
  return false;
}

void run_gnuplot(const std::string& plot_name, const fs::path& folder) {
  const std::string script = "data/" + plot_name + ".gp";
  const fs::path log = folder / "data" / (plot_name + ".log");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {  // no shell: no name is ever read as a command
    const bool ready = ::freopen(log.c_str(), "w", stderr) && ::dup2(STDERR_FILENO, 1) >= 0 &&
                       ::chdir(folder.c_str()) == 0;
    if (ready) ::execlp("gnuplot", "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  std::string said = text_in(log);
  std::ranges::replace(said, '\n', ' ');
  std::error_code ignored;
  fs::remove(log, ignored);
  if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(ErrorKind::io, (folder / script).string(), "gnuplot could not draw it: {}",
         said.empty() ? "it did not start" : printable(said));
}

}  // namespace metatape
