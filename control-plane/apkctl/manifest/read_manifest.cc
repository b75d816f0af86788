// One reflection-based reader for all kinds: unknown fields, wrong types and duplicates are errors.
#include "control-plane/apkctl/manifest/read_manifest.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <optional>
#include <unordered_set>

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
using KeySet = std::unordered_set<std::string_view>;

constexpr size_t kProblemsMax = 50;

constexpr size_t kShownBytesMax = 40;
constexpr size_t kObjectBytesMax = 1024 * 1024;

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// As Kubernetes' reader of YAML has it: more words than JSON's two.
std::optional<bool> BooleanOf(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted) return std::nullopt;
  if (IsOneOf(node.scalar, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}))
    return true;
  if (IsOneOf(node.scalar, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}))
    return false;
  return std::nullopt;
}

bool IsBoolean(const YamlNode& node) { return BooleanOf(node).has_value(); }

// Words such as "nan" and "infinity" are text: without a digit it is no number.
bool IsNumber(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || node.quoted) return false;
  std::string_view text = node.scalar;
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.find_first_of("0123456789") == std::string_view::npos) return false;
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error != std::errc::invalid_argument && rest == text.data() + text.size();
}

// Infinite where it is too large. REQUIRES: IsNumber(node). Not std::stod: that throws, for numbers
// near zero, too.
double NumberOf(const YamlNode& node) { return std::strtod(node.scalar.c_str(), nullptr); }

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
  const std::string shown = node.scalar.substr(0, kShownBytesMax);
  if (IsBoolean(node)) return Concat("the boolean ", shown);
  if (IsNumber(node)) return Concat("the number ", shown);
  return Concat("the string \"", shown, "\"");
}

class DocumentReader {
 public:
  DocumentReader(const std::string& file, ManifestResult& result) : file_(file), result_(result) {}

  // False where there was a problem. The document has its object, or gets the one that the node
  // names.
  bool Read(const YamlNode& node, ManifestDocument& document) {
    positions_ = &document.positions;
    failed_ = false;
    document.at = At(node);
    if (document.object == nullptr) document.object = NewObject(node);
    if (document.object == nullptr) return false;
    ReadMessage(node, "", *document.object);
    if (document.object->ByteSizeLong() > kObjectBytesMax) {
      Add(node, "", "the object is larger than 1 MiB", "split it into several");
    }
    return !failed_;
  }

  void Add(const YamlNode& node, std::string path, std::string message, std::string hint = "") {
    failed_ = true;
    ++result_.problem_count;
    if (result_.problems.size() < kProblemsMax) {
      result_.problems.push_back({At(node), std::move(path), std::move(message), std::move(hint)});
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
    KeySet seen;
    for (const auto& [key_node, value] : node.members) {
      const YamlNode& key = *key_node;
      const std::string child = path.empty() ? key.scalar : Concat(path, ".", key.scalar);
      if (!IsGoodKey(key, child, seen)) continue;
      if (IsIgnored(path, key.scalar)) continue;
      const FieldDescriptor* const field = FindField(*message.GetDescriptor(), key.scalar);
      if (field == nullptr) {
        AddUnknownField(key, child, *message.GetDescriptor());
        continue;
      }
      (*positions_)[child] = At(key);
      if (value != nullptr) ReadField(*value, child, *field, message);
    }
  }

  // False, and a problem, where the key can't name a field or has stood in the map before.
  bool IsGoodKey(const YamlNode& key, const std::string& path, KeySet& seen) {
    if (key.kind != YamlNode::Kind::kScalar) {
      Add(key, path, Concat("a name must be text, found ", Describe(key)));
      return false;
    }
    if (seen.insert(key.scalar).second) return true;
    Add(key, path, "stands twice in the same map", "keep one of them");
    return false;
  }

  // The control plane's own, that clients send back when they edit what they got.
  static bool IsIgnored(const std::string& path, const std::string& name) {
    if (path.empty()) return name == "status";
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
    if (result_.problems.size() >= kProblemsMax) {  // Counted only: a hint costs more.
      Add(key, path, "");
      return;
    }
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
    KeySet seen;
    for (const auto& [key, value] : node.members) {
      const std::string child = Concat(path, ".", key->scalar);
      if (!IsGoodKey(*key, child, seen)) continue;
      (*positions_)[child] = At(*key);
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
        if (const std::optional<bool> boolean = BooleanOf(node); boolean.has_value()) {
          reflection.SetBool(&message, &field, *boolean);
        } else {
          Add(node, path, Concat("must be true or false, found ", Describe(node)),
              node.quoted ? "write it without quotes" : "");
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
      FillStruct(node, path, static_cast<google::protobuf::Struct&>(child));
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
          scalar ? Concat("write it in quotes: \"", node.scalar.substr(0, kShownBytesMax), "\"")
                 : "");
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

  void FillStruct(const YamlNode& node, const std::string& path, google::protobuf::Struct& target) {
    KeySet seen;
    for (const auto& [key, value] : node.members) {
      const std::string child = Concat(path, ".", key->scalar);
      if (!IsGoodKey(*key, child, seen) || value == nullptr) continue;
      FillValue(*value, child, (*target.mutable_fields())[key->scalar]);
    }
  }

  void FillValue(const YamlNode& node, const std::string& path, google::protobuf::Value& target) {
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        target.set_null_value(google::protobuf::NULL_VALUE);
        break;
      case YamlNode::Kind::kMap:
        FillStruct(node, path, *target.mutable_struct_value());
        break;
      case YamlNode::Kind::kList:
        target.mutable_list_value();
        for (size_t i = 0; i < node.items.size(); ++i) {
          FillValue(*node.items[i], Concat(path, "[", std::to_string(i), "]"),
                    *target.mutable_list_value()->add_values());
        }
        break;
      case YamlNode::Kind::kScalar:
        if (const std::optional<bool> boolean = BooleanOf(node); boolean.has_value()) {
          target.set_bool_value(*boolean);
        } else if (!IsNumber(node)) {
          target.set_string_value(node.scalar);
        } else if (const double number = NumberOf(node); std::isfinite(number)) {
          target.set_number_value(number);
        } else {
          Add(node, path, Concat(Describe(node), " is too large"), "write it in quotes");
        }
        break;
    }
  }

  const std::string& file_;
  ManifestResult& result_;
  std::map<std::string, SourcePosition>* positions_ = nullptr;
  bool failed_ = false;
};

// Objects in order: the node itself, or the items of a `kind: List`, which may be lists again (the
// reader limits how deep).
void CollectObjects(const YamlNode& node, std::vector<const YamlNode*>& objects) {
  const YamlNode* const kind = DocumentReader::Member(node, "kind");
  const YamlNode* const items = DocumentReader::Member(node, "items");
  const bool is_list = kind != nullptr && kind->scalar.ends_with("List") &&
                       (items == nullptr || items->kind == YamlNode::Kind::kList);
  if (!is_list) {
    objects.push_back(&node);
  } else if (items != nullptr) {
    for (const auto& item : items->items) CollectObjects(*item, objects);
  }
}

// That the text is none, where it is so.
void AddProblem(const YamlReader& yaml, const std::string& file, ManifestResult& result) {
  if (!yaml.problem().has_value()) return;
  const YamlProblem& problem = *yaml.problem();
  result.problems.push_back(
      {{.file = file, .line = problem.line, .column = problem.column}, "", problem.message, ""});
  ++result.problem_count;
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
  DocumentReader reader(file, result);
  while (const std::unique_ptr<YamlNode> root = yaml.Next()) {
    if (root->kind == YamlNode::Kind::kNull) continue;
    std::vector<const YamlNode*> objects;
    CollectObjects(*root, objects);
    for (const YamlNode* const node : objects) {
      ManifestDocument document;
      if (reader.Read(*node, document)) result.documents.push_back(std::move(document));
    }
  }
  AddProblem(yaml, file, result);
  return result;
}

ManifestResult ReadDocument(std::string_view text, const std::string& file,
                            std::unique_ptr<google::protobuf::Message> message) {
  ManifestResult result;
  YamlReader yaml(text, YamlLimits());
  DocumentReader reader(file, result);
  if (const std::unique_ptr<YamlNode> root = yaml.Next(); root != nullptr) {
    ManifestDocument document;
    document.object = std::move(message);
    if (reader.Read(*root, document)) result.documents.push_back(std::move(document));
    if (const std::unique_ptr<YamlNode> second = yaml.Next(); second != nullptr) {
      reader.Add(*second, "", "there is a second document", "keep one of them");
    }
  }
  AddProblem(yaml, file, result);
  return result;
}

}  // namespace apk
