// Manifests: YAML or JSON text into typed objects, every problem with its place. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

struct SourcePosition {
  std::string file;
  uint32_t line = 0;    // From 1.
  uint32_t column = 0;  // From 1.
};

struct ManifestProblem {
  SourcePosition at;
  std::string field_path;
  std::string message;
  std::string hint;
};

struct ManifestDocument {
  std::unique_ptr<google::protobuf::Message> object;
  SourcePosition at;
  std::map<std::string, SourcePosition> positions;  // By field path.

  // Of the field, or of the nearest parent that stands in the text.
  SourcePosition Locate(std::string_view field_path) const;
};

struct ManifestResult {
  std::vector<ManifestDocument> documents;  // Without those that have problems.
  std::vector<ManifestProblem> problems;    // The first ones, at most 50.
  size_t problem_count = 0;                 // All of them.
};

// Several documents, empty ones skipped; `kind: List` gives its items. An object has at most 1 MiB.
// `file` is for messages.
ManifestResult ReadManifest(std::string_view text, const std::string& file);

// One document that is no object: what it says is put into `message`, whose fields it has.
ManifestResult ReadDocument(std::string_view text, const std::string& file,
                            std::unique_ptr<google::protobuf::Message> message);

}  // namespace apk
