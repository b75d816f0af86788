// Name, namespace, labels and annotations come first; then the object as nested titles and values.
#include "control-plane/apkctl/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::Message;

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string ScalarText(const Json& value) {
  if (!value.is_string()) return value.dump();
  const std::string& text = value.get_ref<const std::string&>();
  return text.empty() ? "\"\"" : Printable(text);
}

bool IsMultiLine(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().find('\n') != std::string::npos;
}

// Every line made harmless by itself, indented.
void AppendLines(std::string_view text, const std::string& indent, std::string& out) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (std::string_view line : Split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += line.empty() ? "\n" : Concat(indent, Printable(line), "\n");
  }
}

// Values of neighbouring lines stand in one column.
class Lines {
 public:
  Lines(std::string indent, std::string& out) : indent_(std::move(indent)), out_(out) {}
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() { Flush(); }

  void Add(std::string title, std::string value) {
    pending_.emplace_back(std::move(title), std::move(value));
  }

  void Flush() {
    size_t width = 0;
    for (const auto& [title, value] : pending_) width = std::max(width, title.size());
    for (const auto& [title, value] : pending_) {
      out_ += Concat(indent_, title, ":", std::string(width - title.size() + 2, ' '), value, "\n");
    }
    pending_.clear();
  }

 private:
  const std::string indent_;
  std::string& out_;
  std::vector<std::pair<std::string, std::string>> pending_;
};

void AppendObject(const Json& object, const std::string& indent, std::string& out);

void AppendList(const Json& list, const std::string& indent, std::string& out) {
  bool first = true;
  for (const Json& item : list) {
    if (item.is_object()) {
      if (!first) out += Concat(indent, "--\n");
      AppendObject(item, indent, out);
    } else if (item.is_array()) {
      AppendList(item, indent, out);
    } else if (IsMultiLine(item)) {
      AppendLines(item.get_ref<const std::string&>(), indent, out);
    } else {
      out += Concat(indent, ScalarText(item), "\n");
    }
    first = false;
  }
}

void AppendObject(const Json& object, const std::string& indent, std::string& out) {
  Lines lines(indent, out);
  for (const auto& [key, value] : object.items()) {
    const std::string title = TitleOf(key);
    if (value.is_structured() && value.empty()) {
      lines.Add(title, value.is_array() ? "[]" : "{}");
    } else if (!value.is_structured() && !IsMultiLine(value)) {
      lines.Add(title, ScalarText(value));
    } else {
      lines.Flush();
      out += Concat(indent, title, ":\n");
      if (value.is_object()) {
        AppendObject(value, indent + "  ", out);
      } else if (value.is_array()) {
        AppendList(value, indent + "  ", out);
      } else {
        AppendLines(value.get_ref<const std::string&>(), indent + "  ", out);
      }
    }
  }
}

// "a=1", one a line, in one column behind the title; "<none>".
void AppendPairs(std::string_view title,
                 const google::protobuf::Map<std::string, std::string>& pairs,
                 std::string_view separator, std::string& out) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : pairs) texts.push_back(Printable(Concat(key, separator, value)));
  std::sort(texts.begin(), texts.end());
  if (texts.empty()) texts.emplace_back("<none>");
  constexpr size_t kValueColumn = 14;  // Behind "Annotations:".
  std::string lead = Concat(title, ":");
  for (const std::string& text : texts) {
    lead.resize(kValueColumn, ' ');
    out += Concat(lead, text, "\n");
    lead.clear();
  }
}

std::string Heading(std::string_view title) {
  return Concat("\n", title, "\n", std::string(title.size(), '='), "\n");
}

template <class Map>
std::vector<std::string> SortedKeys(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

// Sizes only: what describe prints is pasted into tickets.
template <class Map>
void AppendSizes(const Map& data, std::string& out) {
  Lines lines("", out);
  for (const std::string& key : SortedKeys(data))
    lines.Add(Printable(key), Concat(std::to_string(data.at(key).size()), " bytes"));
}

void AppendData(const v1::Secret& secret, std::string& out) {
  out += Concat("\nType:  ", Printable(secret.type()), "\n", Heading("Data"));
  AppendSizes(secret.data(), out);
}

void AppendData(const v1::ConfigMap& map, std::string& out) {
  out += Heading("Data");
  for (const std::string& key : SortedKeys(map.data())) {
    out += Concat(Printable(key), ":\n----\n");
    AppendLines(map.data().at(key), "", out);
    out += "\n";
  }
  out += Heading("BinaryData");
  AppendSizes(map.binary_data(), out);
}

}  // namespace

std::string TitleOf(std::string_view key) {
  std::string spaced;
  for (size_t i = 0; i < key.size(); ++i) {
    const bool begins_word = i > 0 && IsUpper(key[i]) &&
                             (!IsUpper(key[i - 1]) || (i + 1 < key.size() && !IsUpper(key[i + 1]) &&
                                                       key[i + 1] >= 'a' && key[i + 1] <= 'z'));
    if (begins_word) spaced += ' ';
    spaced += key[i];
  }
  std::string title;
  for (const std::string_view word : Split(spaced, ' ')) {
    std::string shown(word);
    if (!shown.empty()) shown[0] = Upper(shown[0]);
    const std::string lower = ToLower(word);
    if (lower == "api" || lower == "url" || lower == "uid" || lower == "tls" || lower == "ip")
      std::transform(shown.begin(), shown.end(), shown.begin(), Upper);
    title += Concat(title.empty() ? "" : " ", shown);
  }
  return Printable(title);
}

std::string Describe(const Message& object) {
  const v1::ObjectMeta& metadata = MetadataOf(object);
  std::string out = Concat("Name:         ", Printable(metadata.name()), "\n");
  if (!metadata.namespace_().empty())
    out += Concat("Namespace:    ", Printable(metadata.namespace_()), "\n");
  AppendPairs("Labels", metadata.labels(), "=", out);
  AppendPairs("Annotations", metadata.annotations(), ": ", out);
  if (const auto* const secret = dynamic_cast<const v1::Secret*>(&object); secret != nullptr) {
    AppendData(*secret, out);
    return out;
  }
  if (const auto* const map = dynamic_cast<const v1::ConfigMap*>(&object); map != nullptr) {
    AppendData(*map, out);
    return out;
  }
  Json json = ToJson(object);
  if (json.contains("metadata")) {
    for (const char* const shown : {"name", "namespace", "labels", "annotations"})
      json["metadata"].erase(shown);
    if (json["metadata"].empty()) json.erase("metadata");
  }
  AppendObject(json, "", out);
  return out;
}

}  // namespace apk
