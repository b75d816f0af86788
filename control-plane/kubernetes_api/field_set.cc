// A place is where a value stands in the schema: it tells which lists have keys.
#include "control-plane/kubernetes_api/field_set.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <string_view>

#include "apk/v1/schema.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

// Where a value stands: `message` is nullptr where its members have no schema, such as labels.
struct Place {
  const Descriptor* message = nullptr;
  std::vector<std::string> keys;  // Of a list's items; empty where a list is one value.
};

std::vector<std::string> KeysOf(const FieldDescriptor& field) {
  const v1::FieldRules& rules = field.options().GetExtension(v1::field);
  if (!rules.unique_by().empty()) return {rules.unique_by().begin(), rules.unique_by().end()};
  if (field.full_name() == "apk.v1.ServiceSpec.ports") return {"port", "protocol"};
  if (field.full_name() == "apk.v1.ObjectMeta.owner_references") return {"uid"};
  return {};
}

Place ChildOf(const Place& place, const std::string& name) {
  if (place.message == nullptr) return {};
  for (int i = 0; i < place.message->field_count(); ++i) {
    const FieldDescriptor& field = *place.message->field(i);
    if (field.json_name() != name) continue;
    if (field.is_map() || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return {};
    const bool open = field.message_type()->file()->package() == "google.protobuf";
    return {open ? nullptr : field.message_type(),
            field.is_repeated() ? KeysOf(field) : std::vector<std::string>()};
  }
  return {};
}

// "k:{"name":"a"}"; a key that is left out has its default. "" where the item has none.
std::string ItemName(const Place& place, const Json& item) {
  nlohmann::json keys = nlohmann::json::object();  // Sorted.
  for (const std::string& key : place.keys) {
    if (!item.is_object()) return "";
    if (item.contains(key)) {
      keys[key] = item[key];
      continue;
    }
    const FieldDescriptor* const field = place.message->FindFieldByCamelcaseName(key);
    if (field == nullptr) return "";
    const v1::FieldRules& rules = field->options().GetExtension(v1::field);
    if (!rules.has_default_value()) return "";
    keys[key] = rules.default_value();
  }
  return Concat("k:", keys.dump());
}

bool IsKeyed(const Place& place, const Json& value) {
  return value.is_array() && !place.keys.empty() &&
         std::all_of(value.begin(), value.end(),
                     [&](const Json& item) { return !ItemName(place, item).empty(); });
}

Place ItemOf(const Place& place) { return {place.message, {}}; }

Json* FindItem(Json& list, const Place& place, const std::string& name) {
  for (Json& item : list) {
    if (ItemName(place, item) == name) return &item;
  }
  return nullptr;
}

const Json* FindItem(const Json& list, const Place& place, const std::string& name) {
  return FindItem(const_cast<Json&>(list), place, name);
}

// What names an object or is the control plane's own has no manager.
Json Written(const Json& object) {
  Json written = object;
  for (const char* const own : {"apiVersion", "kind", "status"}) written.erase(own);
  if (!written.contains("metadata")) return written;
  Json metadata = Json::object();
  for (const char* const kept : {"labels", "annotations", "ownerReferences", "finalizers"}) {
    if (written["metadata"].contains(kept)) metadata[kept] = written["metadata"][kept];
  }
  written["metadata"] = std::move(metadata);
  if (written["metadata"].empty()) written.erase("metadata");
  return written;
}

FieldSet Collect(const Json& value, const Place& place) {
  FieldSet set = FieldSet::object();
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      if (!member.is_null()) set[Concat("f:", name)] = Collect(member, ChildOf(place, name));
    }
  } else if (IsKeyed(place, value)) {
    for (const Json& item : value) {
      FieldSet fields = Collect(item, ItemOf(place));
      fields["."] = FieldSet::object();
      set[ItemName(place, item)] = std::move(fields);
    }
  }
  return set;
}

// Whatever the order of members.
bool SameValue(const Json& a, const Json& b) { return nlohmann::json(a) == nlohmann::json(b); }

// Null where nothing has changed.
FieldSet Compare(const Json& before, const Json& after, const Place& place) {
  FieldSet set = FieldSet::object();
  if (before.is_object() && after.is_object() && !after.empty()) {
    for (const auto& [name, member] : after.items()) {
      if (member.is_null()) continue;
      const Place child = ChildOf(place, name);
      FieldSet changed =
          before.contains(name) ? Compare(before[name], member, child) : Collect(member, child);
      if (!changed.is_null()) set[Concat("f:", name)] = std::move(changed);
    }
  } else if (IsKeyed(place, before) && IsKeyed(place, after)) {
    for (const Json& item : after) {
      const std::string name = ItemName(place, item);
      const Json* const old = FindItem(before, place, name);
      FieldSet changed =
          old == nullptr ? Collect(item, ItemOf(place)) : Compare(*old, item, ItemOf(place));
      if (old == nullptr) changed["."] = FieldSet::object();
      if (!changed.is_null()) set[name] = std::move(changed);
    }
  } else {
    return SameValue(before, after) ? FieldSet() : Collect(after, place);
  }
  return set.empty() ? FieldSet() : set;
}

Json Merge(Json live, const Json& applied, const Place& place) {
  if (live.is_object() && applied.is_object()) {
    for (const auto& [name, member] : applied.items()) {
      if (member.is_null()) continue;
      live[name] = live.contains(name) ? Merge(live[name], member, ChildOf(place, name)) : member;
    }
    return live;
  }
  if (!IsKeyed(place, live) || !IsKeyed(place, applied)) return applied;
  for (const Json& item : applied) {
    Json* const old = FindItem(live, place, ItemName(place, item));
    if (old == nullptr) {
      live.push_back(item);
    } else {
      *old = Merge(std::move(*old), item, ItemOf(place));
    }
  }
  return live;
}

void Remove(const FieldSet& removed, const FieldSet& kept, const Place& place, Json& value) {
  for (const auto& [name, fields] : removed.items()) {
    const FieldSet* const still = kept.contains(name) ? &kept[name] : nullptr;
    const FieldSet none = FieldSet::object();
    if (name.starts_with("f:") && value.is_object() && value.contains(name.substr(2))) {
      const std::string member = name.substr(2);
      if (!fields.empty()) {
        Remove(fields, still == nullptr ? none : *still, ChildOf(place, member), value[member]);
      }
      const bool emptied = fields.empty() || value[member].empty();
      if (still == nullptr && emptied) value.erase(member);
    } else if (name.starts_with("k:") && IsKeyed(place, value)) {
      Json* const item = FindItem(value, place, name);
      if (item == nullptr) continue;
      if (still == nullptr && fields.contains(".")) {
        value.erase(value.begin() + (item - &value[0]));
      } else {
        Remove(fields, still == nullptr ? none : *still, ItemOf(place), *item);
      }
    }
  }
}

void AppendPaths(const FieldSet& set, const std::string& path, std::vector<std::string>& paths) {
  for (const auto& [name, fields] : set.items()) {
    std::string child = path;
    if (name.starts_with("f:")) child += Concat(".", name.substr(2));
    if (name.starts_with("k:")) {
      std::vector<std::string> keys;
      const Json item = Json::parse(name.substr(2), nullptr, false);
      for (const auto& [key, value] : item.items()) keys.push_back(Concat(key, "=", value.dump()));
      child += Concat("[", Join(keys, ","), "]");
    }
    if (fields.empty()) {
      paths.push_back(child);
    } else {
      AppendPaths(fields, child, paths);
    }
  }
}

}  // namespace

FieldSet FieldsOf(const Json& object, const Descriptor& kind) {
  return Collect(Written(object), {&kind, {}});
}

FieldSet ChangedFields(const Json& before, const Json& after, const Descriptor& kind) {
  const FieldSet changed = Compare(Written(before), Written(after), {&kind, {}});
  return changed.is_null() ? FieldSet::object() : changed;
}

FieldSet Union(FieldSet a, const FieldSet& b) {
  for (const auto& [name, fields] : b.items()) {
    a[name] = a.contains(name) ? Union(a[name], fields) : fields;
  }
  return a;
}

FieldSet Minus(const FieldSet& a, const FieldSet& b) {
  FieldSet rest = FieldSet::object();
  for (const auto& [name, fields] : a.items()) {
    if (!b.contains(name)) {
      rest[name] = fields;
    } else if (!fields.empty()) {
      FieldSet left = Minus(fields, b[name]);
      if (!left.empty()) rest[name] = std::move(left);
    }
  }
  return rest;
}

FieldSet Intersection(const FieldSet& a, const FieldSet& b) {
  FieldSet both = FieldSet::object();
  for (const auto& [name, fields] : a.items()) {
    if (!b.contains(name)) continue;
    FieldSet common = Intersection(fields, b[name]);
    if (!common.empty() || fields.empty() || b[name].empty()) both[name] = std::move(common);
  }
  return both;
}

std::vector<std::string> PathsOf(const FieldSet& set) {
  std::vector<std::string> paths;
  AppendPaths(set, "", paths);
  return paths;
}

Json WithFields(Json live, const Json& applied, const Descriptor& kind) {
  return Merge(std::move(live), applied, {&kind, {}});
}

Json WithoutFields(Json object, const FieldSet& removed, const FieldSet& kept,
                   const Descriptor& kind) {
  Remove(removed, kept, {&kind, {}}, object);
  return object;
}

}  // namespace apk
