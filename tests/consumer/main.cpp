#include <engine/error.h>

#include <cstdio>

int main() {
  try {
    metatape::fail(metatape::ErrorKind::usage, "consumer", "expected {}", 42);
  } catch (const metatape::Error& error) {
    std::puts(error.what());
    return metatape::exit_code(error.kind) == 2 ? 0 : 1;
  }
}
