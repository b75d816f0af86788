// yaml-cpp's events into an owned tree: its own Load builds far dearer nodes. The only file that
// sees yaml-cpp, and where its exceptions end. JSON has a reader of its own: YAML knows no
// surrogate pairs.
#include "control-plane/apkctl/manifest/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "common/strings.h"
#include "control-plane/apkctl/manifest/json_tree.h"

namespace apk {
namespace {

// A document that is YAML, but not taken.
struct Refused : std::runtime_error {
  Refused(const YAML::Mark& mark, const std::string& message)
      : std::runtime_error(message), at(mark) {}
  YAML::Mark at;
};

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

bool IsNullWord(const std::string& text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  std::unique_ptr<YamlNode> Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const YamlNode* const original = anchors_[anchor];
    if (std::find(open_.begin(), open_.end(), original) != open_.end())
      throw Refused(mark, "this alias stands inside of what it repeats");
    Attach(Copy(mark, *original, open_.size()));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode& node = Add(mark, anchor, YamlNode::Kind::kScalar);
    node.scalar = value;
    // yaml-cpp's marks: "!" for quoted and block text, "?" for plain text without a tag.
    node.quoted = tag == "!" || tag == Core("str");
    const bool plain = tag == "?" || tag.empty() || tag == Core("null");
    if (plain && IsNullWord(value)) node.kind = YamlNode::Kind::kNull;
    if (node.quoted || plain || tag == Core("int") || tag == Core("float") || tag == Core("bool"))
      return;
    RefuseTag(mark, tag);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (!IsUntagged(tag) && tag != Core("seq")) RefuseTag(mark, tag);
    Open(Add(mark, anchor, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (!IsUntagged(tag) && tag != Core("map")) RefuseTag(mark, tag);
    Open(Add(mark, anchor, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override {
    Merge(*open_.back());
    open_.pop_back();
  }

 private:
  static std::string Core(std::string_view name) { return Concat(kCoreTag, name); }
  static bool IsUntagged(const std::string& tag) { return tag.empty() || tag == "?" || tag == "!"; }

  [[noreturn]] static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    const std::string shown =
        tag.starts_with(kCoreTag) ? Concat("!!", tag.substr(kCoreTag.size())) : tag;
    throw Refused(mark, Concat("the tag ", shown, " can't be used here; write a plain value"));
  }

  void Open(YamlNode& node, const YAML::Mark& mark) {
    if (open_.size() == limits_.depth_max) throw Refused(mark, "is nested too deeply");
    open_.push_back(&node);
  }

  std::unique_ptr<YamlNode> NewNode(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++nodes_ > limits_.nodes_max) throw Refused(mark, "the document has too many values");
    auto node = std::make_unique<YamlNode>();
    node->kind = kind;
    return node;
  }

  YamlNode& Add(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    std::unique_ptr<YamlNode> node = NewNode(mark, kind);
    node->line = static_cast<uint32_t>(mark.line + 1);
    node->column = static_cast<uint32_t>(mark.column + 1);
    if (anchor != 0) anchors_[anchor] = node.get();
    return Attach(std::move(node));
  }

  YamlNode& Attach(std::unique_ptr<YamlNode> node) {
    YamlNode& added = *node;
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back()->kind == YamlNode::Kind::kList) {
      open_.back()->items.push_back(std::move(node));
    } else if (auto& members = open_.back()->members;
               members.empty() || members.back().second != nullptr) {
      members.emplace_back(std::move(node), nullptr);
    } else {
      members.back().second = std::move(node);
    }
    return added;
  }

  // Places are the original's: what is wrong has to be changed there.
  std::unique_ptr<YamlNode> Copy(const YAML::Mark& mark, const YamlNode& original, size_t depth) {
    if (depth >= limits_.depth_max) throw Refused(mark, "is nested too deeply");
    std::unique_ptr<YamlNode> copy = NewNode(mark, original.kind);
    copy->scalar = original.scalar;
    copy->quoted = original.quoted;
    copy->line = original.line;
    copy->column = original.column;
    for (const auto& item : original.items) copy->items.push_back(Copy(mark, *item, depth + 1));
    for (const auto& [key, value] : original.members) {
      copy->members.emplace_back(Copy(mark, *key, depth + 1), Copy(mark, *value, depth + 1));
    }
    return copy;
  }

  // YAML's merge key: "<<: *base" gives what the map doesn't say itself.
  void Merge(YamlNode& map) {
    const auto is_merge = [](const auto& member) {
      const bool structured = member.second->kind == YamlNode::Kind::kMap ||
                              member.second->kind == YamlNode::Kind::kList;
      return member.first->scalar == "<<" && !member.first->quoted && structured;
    };
    if (std::none_of(map.members.begin(), map.members.end(), is_merge)) return;
    std::set<std::string> own;
    for (const auto& member : map.members) own.insert(member.first->scalar);
    auto members = std::exchange(map.members, {});
    const auto take = [&](YamlNode& base) {
      for (auto& [key, value] : base.members) {
        if (own.insert(key->scalar).second)
          map.members.emplace_back(std::move(key), std::move(value));
      }
    };
    for (auto& member : members) {
      if (!is_merge(member)) {
        map.members.push_back(std::move(member));
        continue;
      }
      take(*member.second);
      for (const auto& item : member.second->items) take(*item);
      merged_.push_back(std::move(member.second));
    }
  }

  const YamlLimits& limits_;
  std::unique_ptr<YamlNode> root_;
  std::vector<YamlNode*> open_;
  std::map<YAML::anchor_t, const YamlNode*> anchors_;
  std::vector<std::unique_ptr<YamlNode>> merged_;  // Anchors may be inside.
  size_t nodes_ = 0;
};

}  // namespace

struct YamlReader::Parser {
  explicit Parser(std::string_view text) : stream(std::string(text)), parser(stream) {}
  std::istringstream stream;
  YAML::Parser parser;
};

YamlReader::YamlReader(std::string_view text, const YamlLimits& limits)
    : limits_(limits), problem_(FindBadText(text)) {
  if (problem_.has_value()) return;
  if (LooksLikeJson(text)) {
    JsonDocuments json = ReadJson(text, limits);
    json_problem_ = std::move(json.problem);
    if (!json_problem_.has_value()) {
      from_json_ = std::move(json.documents);
      return;
    }
  }
  try {
    parser_ = std::make_unique<Parser>(text);
  } catch (const YAML::Exception& error) {
    problem_ = YamlProblem{.line = 1, .column = 1, .message = error.msg};
  }
}

YamlReader::~YamlReader() = default;

std::unique_ptr<YamlNode> YamlReader::Next() {
  if (problem_.has_value()) return nullptr;
  if (parser_ == nullptr) {
    if (from_json_.empty()) return nullptr;
    std::unique_ptr<YamlNode> root = std::move(from_json_.front());
    from_json_.pop_front();
    return root;
  }
  std::unique_ptr<YamlNode> root = NextFromYaml();
  // What is neither has the problem that the author of JSON understands.
  if (problem_.has_value() && json_problem_.has_value()) problem_ = json_problem_;
  return root;
}

std::unique_ptr<YamlNode> YamlReader::NextFromYaml() {
  try {
    TreeBuilder builder(limits_);
    if (!parser_->parser.HandleNextDocument(builder)) return nullptr;
    if (++documents_ > limits_.documents_max) {
      problem_ = YamlProblem{.line = 1, .column = 1, .message = "there are too many documents"};
      return nullptr;
    }
    std::unique_ptr<YamlNode> root = builder.Take();
    return root != nullptr ? std::move(root) : std::make_unique<YamlNode>();
  } catch (const Refused& error) {
    problem_ = YamlProblem{.line = static_cast<uint32_t>(error.at.line + 1),
                           .column = static_cast<uint32_t>(error.at.column + 1),
                           .message = error.what()};
  } catch (const YAML::Exception& error) {
    problem_ = YamlProblem{.line = static_cast<uint32_t>(error.mark.line + 1),
                           .column = static_cast<uint32_t>(error.mark.column + 1),
                           .message = Concat("is no YAML: ", error.msg)};
  }
  return nullptr;
}

}  // namespace apk
