// Watches the parser's events for what nlohmann-json lets pass.
#include "common/jwt/strict_json.h"

#include <set>
#include <vector>

namespace apk {

std::optional<nlohmann::json> ParseStrictObject(std::string_view text, int max_depth) {
  using Event = nlohmann::json::parse_event_t;
  bool refused = false;
  std::vector<std::set<std::string>> names;
  const auto watch = [&](int depth, Event event, nlohmann::json& value) {
    if (depth > max_depth) refused = true;
    if (event == Event::object_start) names.emplace_back();
    if (event == Event::object_end) names.pop_back();
    if (event == Event::key && !names.back().insert(value.get<std::string>()).second)
      refused = true;
    return true;
  };
  nlohmann::json parsed = nlohmann::json::parse(text.begin(), text.end(), watch, false);
  if (refused || !parsed.is_object()) return std::nullopt;
  return parsed;
}

std::optional<std::string> StringMember(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string()) return std::nullopt;
  return it->get<std::string>();
}

}  // namespace apk
