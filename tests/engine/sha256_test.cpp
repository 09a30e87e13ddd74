#include "engine/io/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace metatape {
namespace {

// Known answers: FIPS 180-4 examples of NIST's Cryptographic Standards and Guidelines.
constexpr const char* kOfNothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kOfAMillionLettersA =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, GivesThePublishedAnswers) {
  EXPECT_EQ(Sha256().hex(), kOfNothing);
  EXPECT_EQ(Sha256().update("abc").hex(), kOfAbc);
  EXPECT_EQ(Sha256().update(std::string(1'000'000, 'a')).hex(), kOfAMillionLettersA);
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a'));
  Sha256 moved = std::move(hash);
  EXPECT_EQ(moved.hex(), kOfAMillionLettersA);
}

TEST(Sha256, HashesBytesInOneCall) {
  const std::string text = "abc";
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(text))), kOfAbc);
}

}  // namespace
}  // namespace metatape
