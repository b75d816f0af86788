// The templates of -o jsonpath=…, as kubectl has them: text with expressions in braces, such as
//   {.metadata.name}   {.items[*].spec.hostnames[0]}   {range .items[*]}{.metadata.name}{"\n"}{end}
//   {.status.parents[0].conditions[?(@.type=="Accepted")].status}   {..name}
//   {.metadata.labels.a\.b}
// Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

class JsonPath {
 public:
  using Json = nlohmann::ordered_json;

  // INVALID_ARGUMENT says what is wrong, and where. Without any brace all of it is one expression.
  static absl::StatusOr<JsonPath> Parse(std::string_view text);
  // What is not there is nothing; several values have spaces between them.
  std::string Print(const Json& root) const;

 private:
  struct Step;
  using Path = std::vector<Step>;
  struct Step {
    enum class Kind : uint8_t { kMember, kAll, kIndex, kSlice, kBelow, kFilter };
    Kind kind = Kind::kMember;
    std::string name = {};  // Of a member; for kBelow "" is all there is.
    std::optional<int64_t> begin = {};
    std::optional<int64_t> end = {};
    Path filter = {};          // From the element;
    std::string compare = {};  // "": that it is there.
    Json with = {};
  };
  struct Part {
    std::string text;
    Path path;
    bool is_range = false;
    std::vector<Part> body;  // Of a range.
  };
  class Parser;

  static std::vector<const Json*> Select(const Path& path, const Json& from);
  static bool Holds(const Step& filter, const Json& element);
  static void Print(const std::vector<Part>& parts, const Json& at, std::string& out);

  std::vector<Part> parts_;
};

}  // namespace apk
