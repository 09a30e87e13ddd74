#pragma once

// The table of what methods are made of. A part has its class and, at the end of its file, its
// record; a line in meta/method/parts.def lists it. From the record come the values of the setting
// that chooses the part, the settings that it has for itself, the combinations that it refuses, and
// its line in `metatape algorithms`.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

/// A number of a part's own, under a key of its own: head.lambda, regularize.confidence.
struct PartSetting {
  const char* key;
  const char* meaning;
  double start;      ///< where nothing is set
  double least = 0;  ///< smallest value
};

/// Kind is Adaptation, QueryLoss, Regularizer, MetaGradient or Combination.
template <class Kind>
struct Part {
  const char* name;     ///< what chooses it, as value of kSettingOf<Kind>
  const char* formula;  ///< what it computes, in a line
  const char* source;
  const char* reading = "";  ///< what the source leaves open, and how it is read here
  /// Of a Regularizer: null where its coefficient is 0.
  std::shared_ptr<const Kind> (*make)(const Config&);
  /// Refuses settings that make no sense with the part, naming one of them and the remedy (kind
  /// usage). Of a Regularizer it is asked whether active or not.
  void (*check)(const Config&) = nullptr;
  std::vector<PartSetting> settings = {};
};

/// The key whose value names the part. Regularizers have a coefficient each instead.
template <class Kind>
constexpr const char* kSettingOf = "regularize";
template <>
inline constexpr const char* kSettingOf<Adaptation> = "inner.solver";
template <>
inline constexpr const char* kSettingOf<QueryLoss> = "outer.query_loss";
template <>
inline constexpr const char* kSettingOf<MetaGradient> = "outer.gradient";
template <>
inline constexpr const char* kSettingOf<Combination> = "outer.combine";

#define MT_PART(Kind, name) extern const Part<Kind> name##_part;
#include "meta/method/parts.def"
#undef MT_PART

/// All parts of a kind, in the order of parts.def.
template <class Kind>
std::vector<const Part<Kind>*> parts() {
  std::vector<const Part<Kind>*> found;
  [[maybe_unused]] const auto list = [&](const auto& part) {
    if constexpr (std::is_same_v<decltype(part), const Part<Kind>&>) found.push_back(&part);
  };
#define MT_PART(Kind, name) list(name##_part);
#include "meta/method/parts.def"
#undef MT_PART
  return found;
}

/// The part that the settings choose. Errors: usage, listing those there are.
template <class Kind>
const Part<Kind>& chosen_part(const Config&);

/// The values that kSettingOf<Kind> may have.
template <class Kind>
std::vector<std::string> part_names() {
  std::vector<std::string> names;
  for (const Part<Kind>* part : parts<Kind>()) names.push_back(part->name);
  return names;
}

/// Settings that parts declare for themselves.
std::vector<PartSetting> settings_of_parts();

/// The value of one of them. Errors: internal, for a key that no part declares.
double number_of(const Config&, std::string_view key);

/// The regularizers whose coefficients are not 0.
std::vector<std::shared_ptr<const Regularizer>> active_regularizers(const Config&);

}  // namespace metatape
