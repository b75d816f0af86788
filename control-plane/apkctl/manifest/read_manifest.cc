// One reflection-based reader for all kinds: unknown fields, wrong types and duplicates are errors.
#include "control-plane/apkctl/manifest/read_manifest.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "apk/v1/schema.pb.h"
#include "common/strings.h"
#include "control-plane/apkctl/manifest/suggest.h"
#include "control-plane/apkctl/manifest/yaml_tree.h"
#include "control-plane/resources/base64.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kProblemsMax = 50;

bool IsBoolean(const YamlNode& node) {
  return !node.quoted && (node.scalar == "true" || node.scalar == "false");
}

bool IsNumber(const YamlNode& node) {
  if (node.quoted || node.scalar.empty()) return false;
  double number = 0;
  const char* const end = node.scalar.data() + node.scalar.size();
  const auto [rest, error] = std::from_chars(node.scalar.data(), end, number);
  return error == std::errc() && rest == end;
}

std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  const std::string shown = node.scalar.substr(0, 40);
  if (IsBoolean(node)) return Concat("the boolean ", shown);
  if (IsNumber(node)) return Concat("the number ", shown);
  return Concat("the string \"", shown, "\"");
}

class DocumentReader {
 public:
  DocumentReader(const std::string& file, std::vector<ManifestProblem>& problems)
      : file_(file), problems_(problems) {}

  // False where there was a problem.
  bool Read(const YamlNode& node, ManifestDocument& document) {
    positions_ = &document.positions;
    failed_ = false;
    document.at = At(node);
    document.object = NewObject(node);
    if (document.object != nullptr) ReadMap(node, "", *document.object);
    return !failed_;
  }

  void Add(const YamlNode& node, std::string path, std::string message, std::string hint = "") {
    failed_ = true;
    if (problems_.size() < kProblemsMax) {
      problems_.push_back({At(node), std::move(path), std::move(message), std::move(hint)});
    }
  }

  SourcePosition At(const YamlNode& node) const {
    return {.file = file_, .line = node.line, .column = node.column};
  }

  static const YamlNode* Member(const YamlNode& node, std::string_view name) {
    for (const auto& [key, value] : node.members) {
      if (key->scalar == name && value != nullptr && value->kind != YamlNode::Kind::kNull)
        return value.get();
    }
    return nullptr;
  }

 private:
  std::unique_ptr<Message> NewObject(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::kMap) {
      Add(node, "",
          Concat("a resource is a map with apiVersion, kind and metadata, found ", Describe(node)));
      return nullptr;
    }
    const YamlNode* const api_version = Member(node, "apiVersion");
    const YamlNode* const kind_node = Member(node, "kind");
    if (api_version == nullptr)
      Add(node, "apiVersion", "is required", "for example gateway.networking.k8s.io/v1");
    if (kind_node == nullptr) Add(node, "kind", "is required", "for example HTTPRoute");
    if (api_version == nullptr || kind_node == nullptr) return nullptr;
    const GroupVersion version = ParseApiVersion(api_version->scalar);
    const Kind* const kind = FindKind(version.group, kind_node->scalar);
    if (kind == nullptr) {
      AddUnknownKind(*kind_node, version);
      return nullptr;
    }
    if (std::find(kind->versions.begin(), kind->versions.end(), version.version) ==
        kind->versions.end()) {
      Add(*api_version, "apiVersion",
          Concat("\"", api_version->scalar, "\" does not exist for kind ", kind->name),
          Concat("the versions are ", Join(kind->versions, ", ")));
      return nullptr;
    }
    return kind->New();
  }

  void AddUnknownKind(const YamlNode& node, const GroupVersion& version) {
    for (const Kind& kind : AllKinds()) {
      if (kind.name != node.scalar) continue;
      Add(node, "apiVersion",
          Concat("kind ", kind.name, " is not of group \"", version.group, "\""),
          Concat("use apiVersion ", kind.ApiVersion()));
      return;
    }
    std::vector<std::string> names;
    for (const Kind& kind : AllKinds()) names.push_back(kind.name);
    const std::string nearest = Suggest(node.scalar, names);
    Add(node, "kind", Concat("there is no kind \"", node.scalar, "\""),
        nearest.empty() ? Concat("the kinds are ", Join(names, ", "))
                        : Concat("did you mean ", nearest, "?"));
  }

  void ReadMap(const YamlNode& node, const std::string& path, Message& message) {
    for (size_t i = 0; i < node.members.size(); ++i) {
      const YamlNode& key = *node.members[i].first;
      const std::string child = path.empty() ? key.scalar : Concat(path, ".", key.scalar);
      if (IsRepeatedKey(node, i)) {
        Add(key, child, "stands twice in the same map", "keep one of them");
        continue;
      }
      if (path.empty() && key.scalar == "status") continue;  // The control plane's own.
      const FieldDescriptor* const field = FindField(*message.GetDescriptor(), key.scalar);
      if (field == nullptr) {
        if (!IsIgnored(path, key.scalar)) AddUnknownField(key, child, *message.GetDescriptor());
        continue;
      }
      (*positions_)[child] = At(key);
      if (node.members[i].second != nullptr)
        ReadField(*node.members[i].second, child, *field, message);
    }
  }

  static bool IsRepeatedKey(const YamlNode& node, size_t index) {
    for (size_t i = 0; i < index; ++i) {
      if (node.members[i].first->scalar == node.members[index].first->scalar) return true;
    }
    return false;
  }

  // Server-side metadata that clients send back when they edit what they got.
  static bool IsIgnored(const std::string& path, const std::string& name) {
    return path == "metadata" &&
           (name == "managedFields" || name == "selfLink" || name == "deletionGracePeriodSeconds");
  }

  static const FieldDescriptor* FindField(const google::protobuf::Descriptor& descriptor,
                                          const std::string& name) {
    for (int i = 0; i < descriptor.field_count(); ++i) {
      if (descriptor.field(i)->json_name() == name) return descriptor.field(i);
    }
    return nullptr;
  }

  void AddUnknownField(const YamlNode& key, const std::string& path,
                       const google::protobuf::Descriptor& descriptor) {
    std::vector<std::string> names;
    for (int i = 0; i < descriptor.field_count(); ++i)
      names.push_back(descriptor.field(i)->json_name());
    const std::string nearest = Suggest(key.scalar, names);
    Add(key, path, "there is no such field",
        nearest.empty() ? Concat("the fields here are ", Join(names, ", "))
                        : Concat("did you mean \"", nearest, "\"?"));
  }

  void ReadField(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                 Message& message) {
    if (node.kind == YamlNode::Kind::kNull) return;
    if (field.is_map()) {
      ReadMapField(node, path, field, message);
    } else if (field.is_repeated()) {
      ReadList(node, path, field, message);
    } else {
      ReadValue(node, path, field, message, false);
    }
  }

  void ReadList(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (node.kind != YamlNode::Kind::kList) {
      Add(node, path, Concat("must be a list, found ", Describe(node)),
          "begin each item with \"- \"");
      return;
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string item = Concat(path, "[", std::to_string(i), "]");
      (*positions_)[item] = At(*node.items[i]);
      if (node.items[i]->kind == YamlNode::Kind::kNull) {
        Add(*node.items[i], item, "must not be null");
        continue;
      }
      ReadValue(*node.items[i], item, field, message, true);
    }
  }

  void ReadMapField(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                    Message& message) {
    if (node.kind != YamlNode::Kind::kMap) {
      Add(node, path, Concat("must be a map, found ", Describe(node)));
      return;
    }
    for (size_t i = 0; i < node.members.size(); ++i) {
      const auto& [key, value] = node.members[i];
      const std::string child = Concat(path, ".", key->scalar);
      (*positions_)[child] = At(*key);
      if (IsRepeatedKey(node, i)) {
        Add(*key, child, "stands twice in the same map", "keep one of them");
        continue;
      }
      Message* const entry = message.GetReflection()->AddMessage(&message, &field);
      const auto* const key_field = entry->GetDescriptor()->FindFieldByNumber(1);
      entry->GetReflection()->SetString(entry, key_field, key->scalar);
      if (value != nullptr && value->kind != YamlNode::Kind::kNull) {
        ReadValue(*value, child, *entry->GetDescriptor()->FindFieldByNumber(2), *entry, false);
      }
    }
  }

  void ReadValue(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                 Message& message, bool append) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* const child = append ? reflection.AddMessage(&message, &field)
                                      : reflection.MutableMessage(&message, &field);
        ReadMessage(node, path, *child);
        break;
      }
      case FieldDescriptor::CPPTYPE_STRING:
        ReadString(node, path, field, message, append);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (node.kind != YamlNode::Kind::kScalar || !IsBoolean(node)) {
          Add(node, path, Concat("must be true or false, found ", Describe(node)));
        } else {
          reflection.SetBool(&message, &field, node.scalar == "true");
        }
        break;
      default:
        ReadNumber(node, path, field, message, append);
        break;
    }
  }

  void ReadMessage(const YamlNode& node, const std::string& path, Message& child) {
    if (node.kind != YamlNode::Kind::kMap) {
      Add(node, path, Concat("must be a map, found ", Describe(node)));
    } else if (child.GetDescriptor()->full_name() == "google.protobuf.Struct") {
      FillStruct(node, static_cast<google::protobuf::Struct&>(child));
    } else {
      ReadMap(node, path, child);
    }
  }

  void ReadString(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                  Message& message, bool append) {
    const bool int_or_string = field.options().GetExtension(v1::field).int_or_string();
    const bool is_string = node.kind == YamlNode::Kind::kScalar && !IsBoolean(node) &&
                           (int_or_string || !IsNumber(node));
    if (!is_string) {
      const bool scalar = node.kind == YamlNode::Kind::kScalar;
      Add(node, path, Concat("must be a string, found ", Describe(node)),
          scalar ? Concat("write it in quotes: \"", node.scalar, "\"") : "");
      return;
    }
    std::string value = node.scalar;
    if (field.type() == FieldDescriptor::TYPE_BYTES) {
      std::optional<std::string> bytes = DecodeBase64(node.scalar);
      if (!bytes.has_value()) {
        Add(node, path, "must be Base64", "for plain text use stringData");
        return;
      }
      value = *std::move(bytes);
    }
    if (append) {
      message.GetReflection()->AddString(&message, &field, value);
    } else {
      message.GetReflection()->SetString(&message, &field, value);
    }
  }

  void ReadNumber(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                  Message& message, bool append) {
    int64_t number = 0;
    const char* const end = node.scalar.data() + node.scalar.size();
    const auto [rest, error] = std::from_chars(node.scalar.data(), end, number);
    const bool whole = node.kind == YamlNode::Kind::kScalar && !node.quoted &&
                       error == std::errc() && rest == end && !node.scalar.empty();
    const bool is_int32 = field.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
    const bool fits = !is_int32 || (number >= std::numeric_limits<int32_t>::min() &&
                                    number <= std::numeric_limits<int32_t>::max());
    if (!whole || !fits) {
      Add(node, path, Concat("must be a whole number, found ", Describe(node)),
          node.quoted ? "write it without quotes" : "");
      return;
    }
    const Reflection& reflection = *message.GetReflection();
    if (!is_int32) {
      reflection.SetInt64(&message, &field, number);
    } else if (append) {
      reflection.AddInt32(&message, &field, static_cast<int32_t>(number));
    } else {
      reflection.SetInt32(&message, &field, static_cast<int32_t>(number));
    }
  }

  void FillStruct(const YamlNode& node, google::protobuf::Struct& target) {
    for (const auto& [key, value] : node.members) {
      if (value != nullptr) FillValue(*value, (*target.mutable_fields())[key->scalar]);
    }
  }

  void FillValue(const YamlNode& node, google::protobuf::Value& target) {
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        target.set_null_value(google::protobuf::NULL_VALUE);
        break;
      case YamlNode::Kind::kMap:
        FillStruct(node, *target.mutable_struct_value());
        break;
      case YamlNode::Kind::kList:
        target.mutable_list_value();
        for (const auto& item : node.items)
          FillValue(*item, *target.mutable_list_value()->add_values());
        break;
      case YamlNode::Kind::kScalar:
        if (IsBoolean(node)) {
          target.set_bool_value(node.scalar == "true");
        } else if (IsNumber(node)) {
          target.set_number_value(std::stod(node.scalar));
        } else {
          target.set_string_value(node.scalar);
        }
        break;
    }
  }

  const std::string& file_;
  std::vector<ManifestProblem>& problems_;
  std::map<std::string, SourcePosition>* positions_ = nullptr;
  bool failed_ = false;
};

// Items of a `kind: List`, or the node itself.
std::vector<const YamlNode*> ObjectsOf(const YamlNode& node) {
  const YamlNode* const kind = DocumentReader::Member(node, "kind");
  const YamlNode* const items = DocumentReader::Member(node, "items");
  const bool is_list = kind != nullptr && kind->scalar.ends_with("List") && items != nullptr &&
                       items->kind == YamlNode::Kind::kList;
  if (!is_list) return {&node};
  std::vector<const YamlNode*> objects;
  for (const auto& item : items->items) objects.push_back(item.get());
  return objects;
}

}  // namespace

SourcePosition ManifestDocument::Locate(std::string_view field_path) const {
  std::string path(field_path);
  for (;;) {
    const auto found = positions.find(path);
    if (found != positions.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    if (cut == std::string::npos) return at;
    path.resize(cut);
  }
}

ManifestResult ReadManifest(std::string_view text, const std::string& file) {
  ManifestResult result;
  YamlReader yaml(text, YamlLimits());
  DocumentReader reader(file, result.problems);
  while (const std::unique_ptr<YamlNode> root = yaml.Next()) {
    if (root->kind == YamlNode::Kind::kNull) continue;
    for (const YamlNode* const node : ObjectsOf(*root)) {
      ManifestDocument document;
      if (reader.Read(*node, document)) result.documents.push_back(std::move(document));
    }
  }
  if (yaml.problem().has_value()) {
    const YamlProblem& problem = *yaml.problem();
    result.problems.push_back(
        {{.file = file, .line = problem.line, .column = problem.column}, "", problem.message, ""});
  }
  return result;
}

}  // namespace apk
