#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/error.h"

namespace metatape {

/// Recording `action`, written on the line of this call or the next ones, must fail: an error of
/// `kind` about `op` whose text holds `fragment` and which blames that line.
template <class Action>
void expect_rejected(ErrorKind kind, const std::string& op, const std::string& fragment,
                     Action&& action, Loc here = Loc::current()) {
  constexpr int kLinesOfACall = 6;
  SCOPED_TRACE(op + ", line " + std::to_string(here.line()));
  try {
    action();
    ADD_FAILURE() << "no error; expected one with: " << fragment;
  } catch (const Error& error) {
    EXPECT_STREQ(error_kind_name(error.kind), error_kind_name(kind));
    EXPECT_EQ(error.subject, op);
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos)
        << "found:    " << error.what() << "\nexpected: " << fragment;
    EXPECT_STREQ(error.where.file_name(), here.file_name());
    EXPECT_LE(std::abs(int(error.where.line()) - int(here.line())), kLinesOfACall) << error.what();
  }
}

}  // namespace metatape
