// One YAML or JSON document as a tree that remembers lines and columns.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/apkctl/manifest/text_check.h"

namespace apk {

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;
  bool quoted = false;                           // Then it is a string whatever it looks like.
  std::vector<std::unique_ptr<YamlNode>> items;  // kList
  std::vector<std::pair<std::unique_ptr<YamlNode>, std::unique_ptr<YamlNode>>> members;  // kMap
  uint32_t line = 0;                                                                     // From 1.
  uint32_t column = 0;                                                                   // From 1.
};

struct YamlLimits {
  size_t depth_max = 64;
  size_t nodes_max = 2'000'000;  // Of a document, what aliases (*name) repeat counted each time.
  size_t documents_max = 20'000;
};

// Reads documents one after the other.
class YamlReader {
 public:
  YamlReader(std::string_view text, const YamlLimits& limits);
  ~YamlReader();

  // The next document; nullptr at the end or after a problem.
  std::unique_ptr<YamlNode> Next();
  const std::optional<YamlProblem>& problem() const { return problem_; }

 private:
  struct Parser;

  std::unique_ptr<YamlNode> NextFromYaml();

  std::unique_ptr<Parser> parser_;                   // Of YAML.
  std::deque<std::unique_ptr<YamlNode>> from_json_;  // The documents of a text that is JSON.
  YamlLimits limits_;
  size_t documents_ = 0;
  std::optional<YamlProblem> json_problem_;  // Why the text is no JSON, though it looks like it.
  std::optional<YamlProblem> problem_;
};

}  // namespace apk
