// One walk over the descriptors and their (field) options.
#include "control-plane/kubernetes_api/openapi_schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apk/v1/schema.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;
using Used = std::set<const Descriptor*>;

Json StringSchema(const FieldDescriptor& field, const v1::FieldRules& rules) {
  Json schema{{"type", "string"}};
  if (rules.int_or_string()) return {{"x-kubernetes-int-or-string", true}};
  if (field.type() == FieldDescriptor::TYPE_BYTES) schema["format"] = "byte";
  if (!rules.values().empty()) {
    schema["enum"] = std::vector<std::string>(rules.values().begin(), rules.values().end());
  }
  if (!rules.pattern().empty()) schema["pattern"] = rules.pattern();
  if (rules.has_min_length()) schema["minLength"] = rules.min_length();
  if (rules.has_max_length()) schema["maxLength"] = rules.max_length();
  if (rules.has_default_value()) schema["default"] = rules.default_value();
  return schema;
}

Json NumberSchema(const FieldDescriptor& field, const v1::FieldRules& rules) {
  const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  Json schema{{"type", "integer"}, {"format", wide ? "int64" : "int32"}};
  if (rules.has_minimum()) schema["minimum"] = rules.minimum();
  if (rules.has_maximum()) schema["maximum"] = rules.maximum();
  if (rules.has_default_value()) {
    schema["default"] = Json::parse(rules.default_value(), nullptr, false);
  }
  return schema;
}

// Of one value: an item, where the field is a list.
Json ValueSchema(const FieldDescriptor& field, const v1::FieldRules& rules, Used& used) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Descriptor& message = *field.message_type();
      if (message.file()->package() == "google.protobuf") {
        return {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
      }
      used.insert(&message);
      const Json reference{{"$ref", Concat("#/components/schemas/", SchemaNameOf(message))}};
      return {{"allOf", Json::array({reference})}};
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_STRING:
      return StringSchema(field, rules);
    default:
      return NumberSchema(field, rules);
  }
}

Json FieldSchema(const FieldDescriptor& field, const v1::FieldRules& rules, Used& used) {
  if (field.is_map()) {
    const FieldDescriptor& value = *field.message_type()->FindFieldByNumber(2);
    return {{"type", "object"}, {"additionalProperties", ValueSchema(value, rules, used)}};
  }
  if (!field.is_repeated()) return ValueSchema(field, rules, used);
  Json schema{{"type", "array"}, {"items", ValueSchema(field, rules, used)}};
  if (rules.has_min_items()) schema["minItems"] = rules.min_items();
  if (rules.has_max_items()) schema["maxItems"] = rules.max_items();
  if (!rules.unique_by().empty()) {
    schema["x-kubernetes-list-type"] = "map";
    schema["x-kubernetes-list-map-keys"] =
        std::vector<std::string>(rules.unique_by().begin(), rules.unique_by().end());
  }
  return schema;
}

}  // namespace

std::string SchemaNameOf(const Descriptor& message) { return message.full_name(); }

Json SchemaOf(const Descriptor& message, const std::string& version, Used& used) {
  Json properties = Json::object();
  Json required = Json::array();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const v1::FieldRules& rules = field.options().GetExtension(v1::field);
    const auto& versions = rules.only_in();
    if (!versions.empty() && std::find(versions.begin(), versions.end(), version) == versions.end())
      continue;
    properties[field.json_name()] = FieldSchema(field, rules, used);
    if (rules.required()) required.push_back(field.json_name());
  }
  Json schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace apk
