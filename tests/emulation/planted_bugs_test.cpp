#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <set>
#include <string>

#include "tests/emulation/run_variant.h"

#if !defined(MT_ADDRESS_PROBE)
#define MT_ADDRESS_PROBE ""
#endif
#if !defined(MT_THREAD_PROBE)
#define MT_THREAD_PROBE ""
#endif

namespace metatape::emulation_cases {
namespace {

enum class Finder { emulation, address, thread };

struct PlantedBug {
  int number;  // MT_BUG
  const char* bug;
  Finder finder;
  const char* expected;  // what its report says
};

constexpr int kBugs = 24;
constexpr PlantedBug kPlanted[] = {
    {1, "global read one past the end", Finder::address, "heap-buffer-overflow"},
    {2, "static shared array written out of bounds", Finder::address, "index 4 out of bounds"},
    {3, "dynamic shared memory written out of bounds", Finder::address, "heap-buffer-overflow"},
    {4, "no barrier between writer and reader", Finder::emulation, "wrong result"},
    {4, "no barrier between writer and reader", Finder::thread, "data race"},
    {5, "a thread returns before a barrier", Finder::emulation, "it returned while threads wait"},
    {6, "shared memory read before it is written", Finder::emulation, "wrong result at 0: -nan"},
    {7, "two blocks update a cell without atomics", Finder::thread, "data race"},
    {8, "no check of the bound at a store", Finder::address, "heap-buffer-overflow"},
    {9, "a mask omits its caller", Finder::emulation, "omits the caller's lane 3"},
    {10, "no barrier between reader and next writer", Finder::emulation, "wrong result"},
    {10, "no barrier between reader and next writer", Finder::thread, "data race"},
    {11, "a barrier in divergent code", Finder::emulation, "a barrier in divergent code"},
    {12, "+= instead of atomicAdd in a block", Finder::thread, "data race"},
    {13, "misaligned float4", Finder::address, "misaligned address"},
    {14, "a shuffle for which one lane stays away", Finder::emulation, "nobody can go on"},
    {15, "lanes name different masks", Finder::emulation, "for lanes 0xffff0000"},
    {16, "a shuffle of width 24", Finder::emulation, "with width 24"},
    {17, "1089 threads in a block", Finder::emulation, "a block of (33, 33, 1) threads"},
    {18, "64 KiB dynamic shared memory without leave", Finder::emulation, "at most 49152"},
    {19, "a host pointer as argument", Finder::emulation, "is host memory"},
    {20, "no __syncwarp between lanes", Finder::thread, "data race"},
    {21, "the host reads device memory", Finder::address, "use-after-poison"},
    {22, "65536 blocks in y", Finder::emulation, "a grid of ("},
    {23, "64 KiB static shared memory", Finder::emulation, "with partial, the block needs 65536"},
    {24, "a shuffle instead of __syncwarp", Finder::thread, "data race"},
};

/// All output of a command.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return "popen failed";
  std::array<char, 4096> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), count);
  }
  return pclose(pipe) == 0 ? text : text + "\nexit code not 0";
}

/// What a sanitized program says of a bug; empty if it cannot start on this machine.
std::string probe(const std::string& program, int bug) {
  const std::string command = "TSAN_OPTIONS=halt_on_error=1 ";
  const std::string arguments = program + " " + std::to_string(bug);
  std::string text = output_of(command + arguments);
  // libtsan of g++ 12 does not know kernels that randomise more than 28 bits of addresses.
  if (text.find("unexpected memory mapping") != std::string::npos) {
    text = output_of(command + "setarch -R " + arguments);
    if (text.find("variants ran") == std::string::npos && text.find("race") == std::string::npos) {
      return {};
    }
  }
  return text;
}

std::string findings(const PlantedBug& planted) {
  if (planted.finder == Finder::address) return probe(MT_ADDRESS_PROBE, planted.number);
  if (planted.finder == Finder::thread) return probe(MT_THREAD_PROBE, planted.number);
  std::string text;
  for (const Variant& variant : variants()) {
    if (variant.bug == planted.number) text += findings_in_all_orders(variant);
  }
  return text;
}

void expect_all_found(Finder finder) {
  int found = 0, planted_for_it = 0;
  for (const PlantedBug& planted : kPlanted) {
    if (planted.finder != finder) continue;
    ++planted_for_it;
    const std::string text = findings(planted);
    const bool right = text.find(planted.expected) != std::string::npos;
    found += right;
    EXPECT_TRUE(right) << "bug " << planted.number << ", " << planted.bug << ", expected \""
                       << planted.expected << "\", found:\n"
                       << text;
  }
  std::printf("%d of %d planted bugs found\n", found, planted_for_it);
}

TEST(PlantedBugs, EachHasAFinder) {
  std::set<int> numbers;
  for (const PlantedBug& planted : kPlanted) numbers.insert(planted.number);
  EXPECT_EQ(numbers.size(), kBugs);
  EXPECT_EQ(*numbers.begin(), 1);
  EXPECT_EQ(*numbers.rbegin(), kBugs);
}

TEST(PlantedBugs, EmulationFindsItsOwn) { expect_all_found(Finder::emulation); }

TEST(PlantedBugs, AddressSanitizerFindsItsOwn) {
  if (!*MT_ADDRESS_PROBE) GTEST_SKIP() << "the compiler has no address sanitizer";
  expect_all_found(Finder::address);
}

TEST(PlantedBugs, ThreadSanitizerFindsItsOwn) {
  if (!*MT_THREAD_PROBE) GTEST_SKIP() << "the compiler has no thread sanitizer";
  if (probe(MT_THREAD_PROBE, 0).empty()) GTEST_SKIP() << "it cannot start on this machine";
  expect_all_found(Finder::thread);
}

TEST(PlantedBugs, ReportsOfSanitizersNameTheThread) {
  if (!*MT_ADDRESS_PROBE) GTEST_SKIP() << "the compiler has no address sanitizer";
  EXPECT_NE(probe(MT_ADDRESS_PROBE, 3).find("in kernel softmax_kernel, block (0, 0, 0), thread"),
            std::string::npos);
}

TEST(CorrectKernels, GiveTheSameRightBitsInAllOrders) {
  int ran = 0;
  for (const Variant& variant : variants()) {
    if (variant.bug != 0) continue;
    ++ran;
    EXPECT_EQ(findings_in_all_orders(variant), "") << variant.kernel;
  }
  EXPECT_EQ(ran, 5);
}

TEST(CorrectKernels, AreCleanUnderTheAddressSanitizer) {
  if (!*MT_ADDRESS_PROBE) GTEST_SKIP() << "the compiler has no address sanitizer";
  EXPECT_EQ(probe(MT_ADDRESS_PROBE, 0), "5 variants ran\n");
}

TEST(CorrectKernels, AreCleanUnderTheThreadSanitizer) {
  if (!*MT_THREAD_PROBE) GTEST_SKIP() << "the compiler has no thread sanitizer";
  const std::string text = probe(MT_THREAD_PROBE, 0);
  if (text.empty()) GTEST_SKIP() << "it cannot start on this machine";
  EXPECT_EQ(text, "5 variants ran\n");
}

}  // namespace
}  // namespace metatape::emulation_cases
