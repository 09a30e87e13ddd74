#include "meta/method/part.h"

#include <fmt/ranges.h>

namespace metatape {
namespace {

const std::string& choice(const Config& c, const Adaptation*) { return c.inner.solver; }
const std::string& choice(const Config& c, const QueryLoss*) { return c.outer.query_loss; }
const std::string& choice(const Config& c, const MetaGradient*) { return c.outer.gradient; }
const std::string& choice(const Config& c, const Combination*) { return c.outer.combine; }

template <class Kind>
void append_settings(std::vector<PartSetting>& all) {
  for (const Part<Kind>* part : parts<Kind>())
    all.insert(all.end(), part->settings.begin(), part->settings.end());
}

}  // namespace

template <class Kind>
const Part<Kind>& chosen_part(const Config& config) {
  const std::string& name = choice(config, static_cast<const Kind*>(nullptr));
  for (const Part<Kind>* part : parts<Kind>())
    if (part->name == name) return *part;
  fail(ErrorKind::usage, kSettingOf<Kind>, "there is no {}; expected one of {}", name,
       fmt::join(part_names<Kind>(), ", "));
}
template const Part<Adaptation>& chosen_part(const Config&);
template const Part<QueryLoss>& chosen_part(const Config&);
template const Part<MetaGradient>& chosen_part(const Config&);
template const Part<Combination>& chosen_part(const Config&);

std::vector<PartSetting> settings_of_parts() {
  std::vector<PartSetting> all;
  append_settings<Adaptation>(all);
  append_settings<QueryLoss>(all);
  append_settings<Regularizer>(all);
  append_settings<MetaGradient>(all);
  append_settings<Combination>(all);
  return all;
}

double number_of(const Config& config, std::string_view key) {
  const auto found = config.of_parts.find(key);
  if (found != config.of_parts.end()) return found->second;
  for (const PartSetting& s : settings_of_parts())
    if (s.key == key) return s.start;
  fail(ErrorKind::internal, std::string(key), "no part declares this setting");
}

std::vector<std::shared_ptr<const Regularizer>> active_regularizers(const Config& config) {
  std::vector<std::shared_ptr<const Regularizer>> active;
  for (const Part<Regularizer>* part : parts<Regularizer>())
    if (auto regularizer = part->make(config)) active.push_back(std::move(regularizer));
  return active;
}

}  // namespace metatape
