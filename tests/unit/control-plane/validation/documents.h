// Documents in a line or two, and what validation says of them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control-plane/apkctl/manifest/read_manifest.h"
#include "control-plane/validation/validate.h"

namespace apk {

struct Broken {
  std::string text;
  std::string error;  // The only one: "field.path: message".
};

inline std::unique_ptr<google::protobuf::Message> Parse(const std::string& text) {
  ManifestResult result = ReadManifest(text, "test");
  EXPECT_TRUE(result.problems.empty()) << text << result.problems[0].message;
  return result.documents.empty() ? nullptr : std::move(result.documents[0].object);
}

inline std::vector<std::string> Errors(const std::string& text) {
  std::vector<std::string> errors;
  const auto object = Parse(text);
  if (object == nullptr) return errors;
  for (const FieldIssue& issue : Validate(*object)) {
    if (issue.severity == FieldIssue::Severity::kError) {
      errors.push_back(issue.field_path + ": " + issue.message);
    }
  }
  return errors;
}

inline std::string Rule(const std::string& rule) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n"
         "spec: {parentRefs: [{name: g}], rules: [" + rule + "]}\n";
}

inline std::string Filter(const std::string& filter) {
  return Rule("{backendRefs: [{name: s, port: 1}], filters: [" + filter + "]}");
}

}  // namespace apk
