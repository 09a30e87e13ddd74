#include "tests/tools/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "meta/data/pack_writer.h"

namespace metatape {
namespace {

std::vector<std::string> environment_with(std::map<std::string, std::string> more) {
  more.emplace("OMP_WAIT_POLICY", "passive");  // tests run beside each other
  std::vector<std::string> all;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : more) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void redirect(int to, const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0 || ::dup2(descriptor, to) < 0) ::_exit(127);
}

/// A write beyond the limit fails with EFBIG instead of a signal that ends the process.
void limit_file_size(std::int64_t bytes) {
  const rlimit limit{static_cast<rlim_t>(bytes), static_cast<rlim_t>(bytes)};
  ::signal(SIGXFSZ, SIG_IGN);
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(127);
}

}  // namespace

nlohmann::json CommandResult::json() const {
  const std::size_t end = output.find_last_not_of('\n');
  const std::size_t start = output.rfind('\n', end);
  const std::string line = end == std::string::npos ? "" : output.substr(start + 1, end - start);
  auto parsed = nlohmann::json::parse(line, nullptr, false);
  EXPECT_TRUE(parsed.is_object()) << "the last line is no JSON object: " << line << "\n" << errors;
  return parsed;
}

Process::Process(const std::filesystem::path& folder, const Arguments& arguments,
                 const CommandOptions& options) {
  static int count = 0;  // processes may run beside each other in one folder
  const std::string name = ".process-" + std::to_string(count++);
  output_ = folder / (name + ".out");
  errors_ = folder / (name + ".err");
  std::vector<std::string> words = Arguments{options.program} + arguments;
  std::vector<std::string> environment = environment_with(options.environment);
  process_ = ::fork();
  if (process_ != 0) return;
  redirect(STDOUT_FILENO, output_);
  redirect(STDERR_FILENO, errors_);
  if (options.file_size_limit) limit_file_size(options.file_size_limit);
  if (::chdir(folder.c_str()) != 0) ::_exit(127);
  ::execve(options.program.c_str(), pointers(words).data(), pointers(environment).data());
  ::_exit(127);
}

Process::~Process() {
  if (process_ <= 0) return;
  send(SIGKILL);
  wait();
}

void Process::send(int signal) const { ::kill(process_, signal); }

CommandResult Process::wait() {
  int status = 0;
  rusage usage{};
  CommandResult result;
  if (process_ <= 0 || ::wait4(process_, &status, 0, &usage) != process_) {
    ADD_FAILURE() << "there is no process to wait for";
    return result;
  }
  process_ = -1;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  result.output = read_text(output_);
  result.errors = read_text(errors_);
  result.peak_bytes = std::int64_t(usage.ru_maxrss) << 10;
  std::filesystem::remove(output_);
  std::filesystem::remove(errors_);
  return result;
}

CommandResult Workplace::run(const Arguments& arguments, const CommandOptions& options) const {
  return Process(path(""), arguments, options).wait();
}

nlohmann::json Workplace::result_of(Arguments arguments) const {
  arguments.push_back("--json");
  const CommandResult r = run(arguments);
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  return r.json();
}

std::vector<std::string> Workplace::files_in(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path(name)))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

void expect_failure(const Workplace& place, const Arguments& arguments, int exit_code,
                    const std::string& fragment, const CommandOptions& options) {
  const CommandResult r = place.run(arguments + Arguments{"--json"}, options);
  SCOPED_TRACE(r.errors);
  EXPECT_EQ(r.exit_code, exit_code);
  EXPECT_NE(r.errors.find(fragment), std::string::npos) << "expected: " << fragment;
  const nlohmann::json j = r.json();
  if (!j.is_object()) return;
  EXPECT_EQ(j.value("exit_code", -1), exit_code);
  EXPECT_NE(j.value("error", "").find(fragment), std::string::npos) << j;
}

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Arguments settings(const std::vector<std::string>& assignments) {
  Arguments arguments;
  for (const std::string& assignment : assignments)
    arguments = std::move(arguments) + Arguments{"--set", assignment};
  return arguments;
}

void write_small_set(const std::filesystem::path& path, std::int64_t channels) {
  constexpr std::int32_t kTrain = 8, kValidation = 6, kTest = 7, kImages = 6;
  constexpr std::int64_t kSide = 12;
  PackedHeader header{
      .kind = "noise", .height = kSide, .width = kSide, .channels = channels, .scale = "noise"};
  PackedSplit split{.name = "small"};
  for (std::int32_t c = 0; c < kTrain + kValidation + kTest; ++c) {
    header.classes.push_back({.name = "class" + std::to_string(c),
                              .first = std::int64_t(c) * kImages,
                              .count = kImages});
    auto& part = c < kTrain                 ? split.train
                 : c < kTrain + kValidation ? split.validation
                                            : split.test;
    part.push_back(c);
  }
  header.splits = {split};
  PackWriter writer(path, header);
  std::mt19937 random(1);
  for (std::int64_t i = 0; i < header.image_count(); ++i) {
    // Noise over a grey that tells the class, so that there is something to learn.
    std::vector<std::uint8_t> pixels;
    for (std::int64_t p = 0; p < kSide * kSide; ++p) {
      pixels.push_back(std::uint8_t(10 * (i / kImages) + random() % 40));
      for (std::int64_t c = 1; c < channels; ++c) pixels.push_back(std::uint8_t(51 * c));
    }
    writer.add(pixels);
  }
  writer.commit();
}

}  // namespace metatape
