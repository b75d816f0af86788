// Reflection in, ordered JSON out; YAML is written from the JSON.
#include "control-plane/resources/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "apk/v1/schema.pb.h"
#include "common/strings.h"
#include "control-plane/resources/base64.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

bool IsAllDigits(const std::string& text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Json StringValue(const FieldDescriptor& field, const std::string& text) {
  if (field.type() == FieldDescriptor::TYPE_BYTES) return EncodeBase64(text);
  const v1::FieldRules& rules = field.options().GetExtension(v1::field);
  if (rules.int_or_string() && IsAllDigits(text)) return std::stoi(text);
  return text;
}

Json FieldValue(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return StringValue(field, reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(reflection.GetMessage(message, &field));
    default:
      return nullptr;
  }
}

Json ItemValue(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return StringValue(field, reflection.GetRepeatedString(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetRepeatedInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(reflection.GetRepeatedMessage(message, &field, index));
    default:
      return nullptr;
  }
}

Json MapValue(const Message& message, const FieldDescriptor& field) {
  std::map<std::string, Json> sorted;
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const auto* const key = entry.GetDescriptor()->FindFieldByNumber(1);
    const auto* const value = entry.GetDescriptor()->FindFieldByNumber(2);
    sorted[entry.GetReflection()->GetString(entry, key)] = FieldValue(entry, *value);
  }
  Json object = Json::object();
  for (auto& [key, value] : sorted) object[key] = std::move(value);
  return object;
}

// Scalars that would be read back as something else, or not at all, are quoted.
bool NeedsQuotes(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return true;
  static constexpr std::string_view kWords[] = {
      "true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".nan", ".inf", "-.inf"};
  const std::string lower = ToLower(text);
  if (std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords)) return true;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`= \t").find(text[0]) != std::string_view::npos &&
      !(text[0] == '-' && text.size() > 1 && text[1] != ' ' && (text[1] < '0' || text[1] > '9') &&
        text[1] != '.')) {
    return true;
  }
  if ((text[0] >= '0' && text[0] <= '9') || text[0] == '.' || text[0] == '+') {
    // Numbers, and what looks like times and dates.
    if (text.find_first_not_of("0123456789+-.eExXabcdefABCDEF_:oTZ") == std::string::npos)
      return true;
  }
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos ||
      text.back() == ':') {
    return true;
  }
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool IsBlockText(const std::string& text) {
  if (text.find('\n') == std::string::npos || text.front() == ' ' || text.front() == '\n')
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\n';
  });
}

void AppendBlockText(std::string& out, const std::string& text, size_t indent) {
  const bool ends_once = text.ends_with('\n') && !text.ends_with("\n\n");
  out += ends_once ? "|\n" : text.ends_with('\n') ? "|+\n" : "|-\n";
  std::string_view rest = text;
  if (rest.ends_with('\n')) rest.remove_suffix(1);
  for (const std::string_view line : Split(rest, '\n')) {
    if (!line.empty()) out.append(indent, ' ');
    out += line;
    out += '\n';
  }
}

void AppendYaml(std::string& out, const Json& value, size_t indent, bool in_list);

void AppendScalar(std::string& out, const Json& value, size_t indent) {
  if (!value.is_string()) {
    out += value.dump();
  } else if (const std::string& text = value.get_ref<const std::string&>(); IsBlockText(text)) {
    AppendBlockText(out, text, indent + 2);
    return;
  } else {
    out += NeedsQuotes(text) ? value.dump() : text;  // A JSON string is a YAML string.
  }
  out += '\n';
}

void AppendChild(std::string& out, const Json& value, size_t indent) {
  if (value.empty() && value.is_structured()) {
    out += value.is_array() ? " []\n" : " {}\n";
  } else if (value.is_structured()) {
    out += '\n';
    // Kubernetes' style: lists stand at their key's column.
    AppendYaml(out, value, value.is_array() ? indent : indent + 2, false);
  } else {
    out += ' ';
    AppendScalar(out, value, indent);
  }
}

void AppendYaml(std::string& out, const Json& value, size_t indent, bool in_list) {
  if (value.is_object()) {
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (!(first && in_list)) out.append(indent, ' ');
      first = false;
      out += NeedsQuotes(key) ? Json(key).dump() : key;
      out += ':';
      AppendChild(out, member, indent);
    }
  } else if (value.is_array()) {
    for (const Json& item : value) {
      out.append(indent, ' ');
      out += "- ";
      if (item.is_structured() && !item.empty()) {
        AppendYaml(out, item, indent + 2, true);
      } else if (item.is_structured()) {
        out += item.is_array() ? "[]\n" : "{}\n";
      } else {
        AppendScalar(out, item, indent);
      }
    }
  } else {
    AppendScalar(out, value, indent);
  }
}

// Lists whose being empty tells something: a listener that admits no kind of route.
bool IsShownEmpty(const FieldDescriptor& list) {
  return list.full_name() == "apk.v1.ListenerStatus.supported_kinds";
}

}  // namespace

Json ToJson(const Message& message) {
  if (message.GetDescriptor()->file()->package() == "google.protobuf") {
    std::string text;
    if (!google::protobuf::util::MessageToJsonString(message, &text).ok()) return Json::object();
    return Json::parse(text, nullptr, false);
  }
  Json object = Json::object();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (field.is_map()) {
      if (reflection.FieldSize(message, &field) > 0)
        object[field.json_name()] = MapValue(message, field);
    } else if (field.is_repeated()) {
      const int size = reflection.FieldSize(message, &field);
      if (size == 0 && !IsShownEmpty(field)) continue;
      Json list = Json::array();
      for (int j = 0; j < size; ++j) list.push_back(ItemValue(message, field, j));
      object[field.json_name()] = std::move(list);
    } else if (reflection.HasField(message, &field)) {
      object[field.json_name()] = FieldValue(message, field);
    }
  }
  return object;
}

std::string ToYaml(const Json& value) {
  std::string out;
  AppendYaml(out, value, 0, false);
  return out;
}

std::string ToYaml(const Message& message) { return ToYaml(ToJson(message)); }

}  // namespace apk
