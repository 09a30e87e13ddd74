#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/emulation/error.h"

namespace metatape {

/// Whether the emulation refuses `action` with a message that contains `text`.
template <class Action>
testing::AssertionResult refuses(const Action& action, const std::string& text) {
  try {
    action();
  } catch (const kernels::emulation::EmulationError& error) {
    if (std::string(error.what()).find(text) != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << error.what();
  }
  return testing::AssertionFailure() << "nothing was refused";
}

}  // namespace metatape

#define EXPECT_REFUSED(action, text) EXPECT_TRUE(refuses([&] { action; }, text))
