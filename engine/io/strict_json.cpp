#include "engine/io/strict_json.h"

#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/printable.h"

namespace metatape {
namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 8;
// A value takes up to 130 bytes of memory for 3 of the file. 100,000 tensors have 1.4 million.
constexpr std::size_t kMostValues = 2'000'000;
constexpr std::size_t kLongestQuote = 160;  // bytes of a hostile file that a message may repeat

std::string quote(std::string_view text) { return shortened(text, kLongestQuote); }

/// Builds the value from the parser's events and refuses what the library's own builder lets pass.
/// (Its callback interface would be shorter, but is quadratic in the number of objects: a header of
/// 100,000 tensors took minutes.)
class Builder : public nlohmann::json_sax<json> {
 public:
  explicit Builder(const std::string& subject) : subject_(subject) {}

  json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override {
    refuse_nul(value);
    return put(std::move(value));
  }
  bool binary(binary_t&) override { return false; }  // occurs in binary formats only

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& key) override {
    refuse_nul(key);
    if (key.size() > kLongestJsonKey)
      fail(ErrorKind::io, subject_, "key \"{}\" has {} bytes; at most {} are read: shorten it",
           quote(key), key.size(), kLongestJsonKey);
    const auto [member, is_new] = open_.back()->emplace(key, nullptr);
    if (!is_new)
      fail(ErrorKind::io, subject_, "key \"{}\" occurs twice in one JSON object; keep one of them",
           quote(key));
    member_ = &*member;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..." without the bracket
    const std::string message = error.what();
    fail(ErrorKind::io, subject_, "is not valid JSON: {}; correct it or restore the file",
         quote(message.substr(message.find("] ") + 2)));
  }

 private:
  /// Where the next value goes: the root, the end of the open array, the last key of the object.
  json& place() {
    if (++values_ > kMostValues)
      fail(ErrorKind::io, subject_, "has more than {} JSON values; split it", kMostValues);
    if (open_.empty()) return root_;
    return open_.back()->is_array() ? open_.back()->emplace_back(nullptr) : *member_;
  }

  bool put(json value) {
    place() = std::move(value);
    return true;
  }

  bool open(json value) {
    if (open_.size() >= kDeepest)
      fail(ErrorKind::io, subject_, "JSON is nested deeper than {} levels; flatten it", kDeepest);
    json& at = place();
    at = std::move(value);
    open_.push_back(&at);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  void refuse_nul(const std::string& text) {
    if (text.find('\0') != std::string::npos)
      fail(ErrorKind::io, subject_, "JSON text \"{}\" holds a NUL character; remove it",
           quote(text.substr(0, text.find('\0'))));
  }

  const std::string& subject_;
  json root_;
  json* member_ = nullptr;
  std::size_t values_ = 0;
  std::vector<json*> open_;  // arrays and objects, the innermost last
};

const json& member(const json& object, const char* key, const std::string& subject) {
  if (!object.is_object())
    fail(ErrorKind::io, subject, "found a JSON {} where an object with \"{}\" is expected",
         object.type_name(), key);
  const auto found = object.find(key);
  if (found == object.end())
    fail(ErrorKind::io, subject, "key \"{}\" is missing; add it or restore the file", key);
  return *found;
}

}  // namespace

json parse_strict_json(std::string_view text, const std::string& subject) {
  if (text.find('\0') != text.npos)  // the library takes it for the end of the text
    fail(ErrorKind::io, subject, "holds a NUL byte, so it is no JSON text; restore the file");
  Builder builder(subject);
  json::sax_parse(text, &builder);
  return builder.take();
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::int64_t json_integer(const json& object, const char* key, std::int64_t low, std::int64_t high,
                          const std::string& subject) {
  const json& value = member(object, key, subject);
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    fail(ErrorKind::io, subject, "\"{}\" is {}; an integer from {} to {} is expected", key,
         quote(value.dump()), low, high);
  return value.get<std::int64_t>();
}

std::string json_string(const json& object, const char* key, std::size_t longest,
                        const std::string& subject) {
  const json& value = member(object, key, subject);
  if (!value.is_string() || value.get_ref<const std::string&>().size() > longest)
    fail(ErrorKind::io, subject, "\"{}\" is {}; a text of at most {} bytes is expected", key,
         quote(value.dump()), longest);
  return value.get<std::string>();
}

}  // namespace metatape
