// Sets of an object's fields, in the form that managedFields has (FieldsV1): a tree of "f:<name>",
// and of "k:{…}" for the items of lists that are merged by key; a leaf is {}. Pure.
#pragma once

#include <google/protobuf/descriptor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace apk {

using FieldSet = nlohmann::ordered_json;

// All that somebody wrote in an object of JSON: not what names it, nor what the control plane sets.
FieldSet FieldsOf(const nlohmann::ordered_json& object, const google::protobuf::Descriptor& kind);
// Those of `after` that `before` has not, or has with another value.
FieldSet ChangedFields(const nlohmann::ordered_json& before, const nlohmann::ordered_json& after,
                       const google::protobuf::Descriptor& kind);

FieldSet Union(FieldSet a, const FieldSet& b);
FieldSet Minus(const FieldSet& a, const FieldSet& b);
FieldSet Intersection(const FieldSet& a, const FieldSet& b);
// ".spec.listeners[name=\"a\"].port", each leaf.
std::vector<std::string> PathsOf(const FieldSet& set);

// `live` with the fields of `applied` in it: objects and keyed lists are merged, all else replaced.
nlohmann::ordered_json WithFields(nlohmann::ordered_json live,
                                  const nlohmann::ordered_json& applied,
                                  const google::protobuf::Descriptor& kind);
// `object` without the fields in `removed` that `kept` has not.
nlohmann::ordered_json WithoutFields(nlohmann::ordered_json object, const FieldSet& removed,
                                     const FieldSet& kept,
                                     const google::protobuf::Descriptor& kind);

}  // namespace apk
