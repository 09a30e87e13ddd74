#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/error.h"

namespace metatape {

/// `action` must throw metatape::Error of `kind` whose text holds `fragment`.
template <class Action>
void expect_error(ErrorKind kind, const std::string& fragment, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with: " << fragment;
  } catch (const Error& error) {
    EXPECT_STREQ(error_kind_name(error.kind), error_kind_name(kind));
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos)
        << "found:    " << error.what() << "\nexpected: " << fragment;
  }
}

}  // namespace metatape
