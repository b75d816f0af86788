// yaml-cpp's events into an owned tree: its own Load builds far dearer nodes. The only file that
// sees yaml-cpp, and where its exceptions end.
#include "control-plane/apkctl/manifest/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <stdexcept>

#include "common/strings.h"

namespace apk {
namespace {

struct LimitExceeded : std::runtime_error {
  LimitExceeded(const YAML::Mark& mark, const std::string& message)
      : std::runtime_error(message), at(mark) {}
  YAML::Mark at;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  std::unique_ptr<YamlNode> Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override { begin_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Add(mark, YamlNode::Kind::kNull); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw LimitExceeded(mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    YamlNode& node = Add(mark, YamlNode::Kind::kScalar);
    node.scalar = value;
    node.quoted = tag == "!";  // yaml-cpp's mark for quoted and block text.
    if (!node.quoted &&
        (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL")) {
      node.kind = YamlNode::Kind::kNull;
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(Add(mark, YamlNode::Kind::kList), mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(Add(mark, YamlNode::Kind::kMap), mark);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  void Open(YamlNode& node, const YAML::Mark& mark) {
    if (open_.size() == limits_.depth_max) throw LimitExceeded(mark, "is nested too deeply");
    open_.push_back(&node);
  }

  YamlNode& Add(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++nodes_ > limits_.nodes_max) throw LimitExceeded(mark, "the document has too many values");
    if (static_cast<size_t>(mark.pos - begin_.pos) > limits_.document_bytes_max) {
      throw LimitExceeded(mark, "the document is larger than 1 MiB");
    }
    auto node = std::make_unique<YamlNode>();
    node->kind = kind;
    node->line = static_cast<uint32_t>(mark.line + 1);
    node->column = static_cast<uint32_t>(mark.column + 1);
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

  const YamlLimits& limits_;
  YAML::Mark begin_;
  std::unique_ptr<YamlNode> root_;
  std::vector<YamlNode*> open_;
  size_t nodes_ = 0;
};

}  // namespace

struct YamlReader::Parser {
  explicit Parser(std::string_view text) : stream(std::string(text)), parser(stream) {}
  std::istringstream stream;
  YAML::Parser parser;
};

YamlReader::YamlReader(std::string_view text, const YamlLimits& limits) : limits_(limits) {
  try {
    parser_ = std::make_unique<Parser>(text);
  } catch (const YAML::Exception& error) {
    problem_ = YamlProblem{.line = 1, .column = 1, .message = error.msg};
  }
}

YamlReader::~YamlReader() = default;

std::unique_ptr<YamlNode> YamlReader::Next() {
  if (problem_.has_value()) return nullptr;
  try {
    TreeBuilder builder(limits_);
    if (!parser_->parser.HandleNextDocument(builder)) return nullptr;
    if (++documents_ > limits_.documents_max) {
      problem_ = YamlProblem{.line = 1, .column = 1, .message = "there are too many documents"};
      return nullptr;
    }
    std::unique_ptr<YamlNode> root = builder.Take();
    return root != nullptr ? std::move(root) : std::make_unique<YamlNode>();
  } catch (const LimitExceeded& error) {
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
