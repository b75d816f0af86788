// JSON (RFC 8259) into the tree that YAML gives, with exact places, and several documents one after
// the other, as kubectl takes and prints them. Pure.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "control-plane/apkctl/manifest/yaml_tree.h"

namespace apk {

struct JsonDocuments {
  std::deque<std::unique_ptr<YamlNode>> documents;
  std::optional<YamlProblem> problem;  // The first; then the documents before it are there.
};

// `text` is UTF-8.
JsonDocuments ReadJson(std::string_view text, const YamlLimits& limits);

// True where the text begins as an object of JSON does. Flow style of YAML may, too.
bool LooksLikeJson(std::string_view text);

}  // namespace apk
