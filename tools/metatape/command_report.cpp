#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "meta/report/page.h"
#include "meta/report/report.h"
#include "tools/metatape/command.h"

namespace metatape {

void report_command(const ReportArguments& a, const Output& output) {
  Report report = make_report(a.runs);
  write_report(report, a.out);
  for (const std::string& warning : report.warnings) output.say("warning: " + warning);
  const std::string page = (std::filesystem::path(a.out) / "index.html").string();
  nlohmann::json result = to_json(report);
  result["page"] = page;
  output.result(result, fmt::format("{}{}", text_of(report), page));
}

}  // namespace metatape
