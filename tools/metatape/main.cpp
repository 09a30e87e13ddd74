// metatape: pack, train, evaluate, plan and inspect. Exit codes: 0 done, 1 our fault, 2 wrong
// usage, 3 bad input file, 4 numerical failure, 5 device failure, 6 out of memory.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/console.h"
#include "engine/error.h"
#include "engine/printable.h"
#include "meta/settings/nearest_name.h"
#include "tools/metatape/command.h"
#include "tools/metatape/lost_file.h"
#include "tools/metatape/processes.h"

namespace metatape {
namespace {

/// All arguments of all subcommands, filled by the parser.
struct Arguments {
  Processes processes;
  Output output;
  PackArguments pack;
  TrainArguments train;
  EvalArguments eval;
  PredictArguments predict;
  ReportArguments report;
  PlanArguments plan;
  StepArguments step;
  std::string info;
};

CLI::App* add_command(CLI::App& parent, Arguments& a, const char* name, const char* about) {
  CLI::App* command = parent.add_subcommand(name, about);
  command->add_flag("--json", a.output.json, "print the result as JSON on the last line");
  return command;
}

void add_run_options(CLI::App& app, RunArguments& a) {
  app.add_option("--recipe", a.recipe, "name (metatape recipes) or JSON file")
      ->capture_default_str();
  app.add_option("--data", a.data, "packed data set (metatape pack)");
  app.add_option("--set", a.set, "setting to change, key=value; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--device", a.device, "cpu or cuda")->capture_default_str();
  app.add_option("--threads", a.threads, "0: one per core; results do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void add_pack(CLI::App& app, Arguments& a) {
  CLI::App* pack = app.add_subcommand("pack", "turn images into one checked, memory-mapped file");
  pack->require_subcommand(1);
  auto command = [&](const char* name, const char* about) {
    CLI::App* c = add_command(*pack, a, name, about);
    c->add_option("--out", a.pack.out, "file to write (.mtd)")->required();
    return c;
  };
  CLI::App* omniglot = command("omniglot", "the two official Omniglot zips");
  omniglot->add_option("--in", a.pack.in, "images_background.zip, images_evaluation.zip")
      ->required();
  omniglot->add_option("--vinyals", a.pack.vinyals,
                       "folder with train.txt, val.txt, test.txt; adds the split 'vinyals'");
  omniglot->add_option("--size", a.pack.size, "side of the images; default 28")
      ->check(CLI::Range(1, 105));
  omniglot->callback([&a] { pack_omniglot_command(a.pack, a.output); });

  CLI::App* images = command("images", "a folder, zip or tar with one folder of images per class");
  images->add_option("--in", a.pack.in, "folder or archive")->required()->expected(1);
  images->add_option("--split", a.pack.split, "CSV with class,split");
  images->add_option("--size", a.pack.size, "side of the images; default 84")
      ->check(CLI::Range(1, 1024));
  images->add_option("--channels", a.pack.channels, "3: RGB, 1: grey")->capture_default_str();
  images->callback([&a] { pack_images_command(a.pack, a.output); });

  CLI::App* glyphs = command("glyphs", "the drawn alphabet: needs no input");
  glyphs->callback([&a] { pack_glyphs_command(a.pack, a.output); });
}

void add_train(CLI::App& app, Arguments& a) {
  CLI::App* train = add_command(app, a, "train", "meta-train a model");
  train->footer(
      "Several processes (mpirun -n 4 metatape train ..., srun) share the tasks of each "
      "meta-step.\n"
      "Any number of them gives the same bits where the tasks come in chunks of the same size\n"
      "(outer.chunk); without it a chunk is outer.tasks / processes, and runs with different\n"
      "numbers of processes agree to rounding. Resumed runs keep their chunks.");
  add_run_options(*train, a.train.run);
  train->add_option("--out", a.train.out, "run folder")->required();
  train->add_flag("--resume", a.train.resume,
                  "continue the run in --out bit for bit; a new run if there is none");
  train->callback([&a, train] {
    a.train.recipe_given = train->count("--recipe") > 0;
    train_command(a.train, a.processes, a.output);
  });
}

void add_eval(CLI::App& app, Arguments& a) {
  CLI::App* eval = add_command(app, a, "eval", "adapt to new tasks and report the interval");
  eval->add_option("--run", a.eval.run, "run folder")->required();
  eval->add_option("--data", a.eval.data, "packed data set; default: the one of the training");
  eval->add_option("--split", a.eval.split, "train, validation or test")->capture_default_str();
  eval->add_option("--tasks", a.eval.tasks, "number of tasks; default: eval.tasks of the run")
      ->check(CLI::Range(1, 10000000));
  eval->add_option("--seed", a.eval.seed, "seed of the tasks; default: the run's")
      ->check(CLI::NonNegativeNumber);
  eval->add_option("--set", a.eval.set, "setting to change, key=value; may be repeated")
      ->allow_extra_args(false);
  eval->add_option("--device", a.eval.device, "cpu or cuda")->capture_default_str();
  eval->add_option("--threads", a.eval.threads, "0: one per core")->check(CLI::Range(0, 1024));
  eval->callback([&a] { eval_command(a.eval, a.processes, a.output); });
}

void add_predict(CLI::App& app, Arguments& a) {
  CLI::App* predict = add_command(app, a, "predict", "adapt to a new task and label its images");
  predict->add_option("--run", a.predict.run, "run folder")->required();
  predict->add_option("--support", a.predict.support, "one folder of PNG or JPEG images per class")
      ->required();
  predict->add_option("--query", a.predict.query, "folder of images to label")->required();
  predict->add_option("--out", a.predict.out, "file to write as well: .json, or CSV");
  predict->add_option("--data", a.predict.data,
                      "packed data set of the training, if it has moved: says what images must be");
  predict->add_option("--set", a.predict.set, "setting to change, key=value; may be repeated")
      ->allow_extra_args(false);
  predict->add_option("--device", a.predict.device, "cpu or cuda")->capture_default_str();
  predict->add_option("--threads", a.predict.threads, "0: one per core")
      ->check(CLI::Range(0, 1024));
  predict->callback([&a] { predict_command(a.predict, a.output); });
}

void add_report(CLI::App& app, Arguments& a) {
  CLI::App* report =
      add_command(app, a, "report", "curves and tables of runs: SVG, PNG and one HTML page");
  report->add_option("runs", a.report.runs, "run folders; seeds of one experiment are averaged")
      ->required();
  report->add_option("--out", a.report.out, "folder to write into")->required();
  report->callback([&a] { report_command(a.report, a.output); });
}

void add_inspection(CLI::App& app, Arguments& a) {
  CLI::App* plan = add_command(app, a, "plan", "instructions, FLOPs and memory; runs nothing");
  add_run_options(*plan, a.plan.run);
  plan->add_flag("--listing", a.plan.listing, "also print the program, one instruction a line");
  plan->add_option("--ranks", a.plan.ranks, "processes that share the tasks of a meta-step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  plan->add_option("--latency", a.plan.latency, "of a message between ranks, us")
      ->check(CLI::NonNegativeNumber);
  plan->add_option("--bandwidth", a.plan.bandwidth, "between ranks, GB/s; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  plan->add_option("--step-time", a.plan.step_time, "measured time of a meta-step on one rank, ms")
      ->check(CLI::NonNegativeNumber);
  plan->callback([&a] { plan_command(a.plan, a.output); });

  CLI::App* step = add_command(
      app, a, "step", "one meta-step with every input, loss and gradient, to compare with others");
  add_run_options(*step, a.step.run);
  step->add_option("--dump", a.step.dump, "safetensors file to write")->required();
  step->add_option("--dtype", a.step.dtype, "f32 or f64; default: train.precision")
      ->check(CLI::IsMember({"f32", "f64"}));
  step->callback([&a] { step_command(a.step, a.output); });

  CLI::App* info = add_command(app, a, "info", "what is in a data set, checkpoint or run folder");
  info->add_option("file", a.info, "packed data set, .safetensors file or run folder")->required();
  info->callback([&a] { info_command(a.info, a.output); });

  add_command(app, a, "recipes", "what can be run, with the published numbers")->callback([&a] {
    recipes_command(a.output);
  });
  add_command(app, a, "algorithms", "the methods, with equation and source")->callback([&a] {
    algorithms_command(a.output);
  });
  add_command(app, a, "settings", "every key that recipes and --set know")->callback([&a] {
    settings_command(a.output);
  });
}

/// The parser would only say that a command is missing.
void require_known_command(const CLI::App& app, const std::string& typed) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), typed) == names.end())
    fail(ErrorKind::usage, typed, "there is no such command; did you mean {}? (metatape --help)",
         nearest_name(typed, names));
}

/// Says for scripts what standard error says to people.
int report_json(const Output& output, const char* kind, int code, const std::string& message) {
  try {
    if (output.json) output.result({{"error", message}, {"kind", kind}, {"exit_code", code}}, "");
  } catch (const Error&) {  // of standard output; the code says that something failed
  }
  return code;
}

int report(Arguments& a, const char* kind, int code, const std::string& message) {
  a.output.quiet = false;
  tell(printable_lines(fmt::format("metatape: {} error: {}\n", kind, message)));
  report_json(a.output, kind, code, message);
  a.processes.abort(code);
  return code;
}

/// Of a failure that other processes need not know of.
int report_own(Arguments& a, const char* kind, int code, const std::string& message) {
  a.processes.wait_for_first();
  return report(a, kind, code, a.processes.named(message));
}

/// OpenMP threads that spin while they wait lose whole time slices as soon as anything else runs:
/// 60 meta-steps beside five busy processes took 72 s spinning and 4 s sleeping. libgomp reads its
/// settings when it is loaded, so the command starts itself again with them.
void let_waiting_threads_sleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv("/proc/self/exe", argv);  // comes back only where /proc is missing: slower, not wrong
}

/// Whether several processes work on it together; of the others one is enough.
bool is_shared(std::string_view command) { return command == "train" || command == "eval"; }

int run(int argc, char** argv) {
  CLI::App app("metatape: exact second-order meta-learning from the command line");
  app.set_version_flag("--version", "metatape " MT_VERSION);
  app.require_subcommand(1);
  Arguments a;
  a.output.quiet = a.processes.launch().rank > 0;
  if (a.output.quiet && (argc < 2 || !is_shared(argv[1]))) return 0;
  add_pack(app, a);
  add_train(app, a);
  add_eval(app, a);
  add_predict(app, a);
  add_report(app, a);
  add_inspection(app, a);
  // The parser may stop before it comes to the flag.
  a.output.json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  try {
    if (argc > 1 && argv[1][0] != '-') require_known_command(app, argv[1]);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    const int usage = exit_code(ErrorKind::usage);
    if (a.output.quiet) return e.get_exit_code() ? report_own(a, "usage", usage, e.what()) : 0;
    if (app.exit(e) == 0) return 0;
    return report_json(a.output, "usage", usage, e.what());
  } catch (const SharedError& e) {
    a.processes.wait_for_first();
    return report(a, error_kind_name(e.kind), exit_code(e.kind), e.what());
  } catch (const Error& e) {
    return report_own(a, error_kind_name(e.kind), exit_code(e.kind), e.what());
  } catch (const std::filesystem::filesystem_error& e) {
    return report_own(a, "io", exit_code(ErrorKind::io), e.what());
  } catch (const std::bad_alloc&) {
    return report_own(a, "memory", exit_code(ErrorKind::memory),
                      "the system refused memory; use fewer tasks at once (outer.tasks)");
  } catch (const std::exception& e) {
    return report_own(a, "internal", exit_code(ErrorKind::internal), e.what());
  }
}

}  // namespace
}  // namespace metatape

int main(int argc, char** argv) {
  metatape::let_waiting_threads_sleep(argv);
  metatape::name_lost_files();
  return metatape::run(argc, argv);
}
