// What is done with the values recurs: their depth is limited before anything else.
#include "control-plane/kubernetes_api/json_body.h"

#include <nlohmann/json.hpp>

namespace apk {
namespace {

constexpr int kDepthMax = 64;

bool IsTooDeep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

nlohmann::ordered_json ParseBody(const std::string& text) {
  using Json = nlohmann::ordered_json;
  if (IsTooDeep(text)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, false);
}

}  // namespace apk
