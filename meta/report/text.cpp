#include "meta/report/text.h"

#include "engine/printable.h"

namespace metatape {

std::string html_text(std::string_view text) {
  std::string result;
  for (char c : printable(text)) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  return result;
}

std::string gnuplot_string(std::string_view text) {
  std::string result = "'";
  for (char c : printable(text)) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

}  // namespace metatape
