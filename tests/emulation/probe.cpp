// probe BUG: runs the variants with this number that are linked in, in four orders, and prints what
// the emulation found. Built once for each sanitizer, whose own reports end it.

#include <cstdio>
#include <cstdlib>

#include "tests/emulation/run_variant.h"

int main(int, char** arguments) {
  using namespace metatape::emulation_cases;
  int ran = 0;
  std::string findings;
  for (const Variant& variant : variants()) {
    if (variant.bug != std::atoi(arguments[1])) continue;
    ++ran;
    findings += findings_in_all_orders(variant);
  }
  std::printf("%d variants ran\n%s", ran, findings.c_str());
  return ran > 0 && findings.empty() ? 0 : 1;
}
