// What one object must look like, whatever else exists: the (field) options of its message, and the
// rules of its kind that options can't say. Pure. The control plane decides by it; apkctl uses it
// offline.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace apk {

struct FieldIssue {
  enum class Severity { kWarning, kError };
  Severity severity = Severity::kError;
  std::string field_path;  // "spec.rules[0].matches[0].path.value", "" for the whole object.
  std::string message;     // What is wrong.
  std::string hint;        // What to do; may be empty.
};

// The object's own apiVersion counts: some fields exist in some versions only.
// The object may still lack defaults.
std::vector<FieldIssue> Validate(const google::protobuf::Message& object);

// What may not change: `object` takes the place of `current`, which has the same key. Both are
// normalised.
std::vector<FieldIssue> ValidateUpdate(const google::protobuf::Message& object,
                                       const google::protobuf::Message& current);

// Fills in the defaults of the schema, converts the object to the stored version (apiVersion and
// the fields that were renamed) and moves Secret.stringData into data. REQUIRES: Validate gave no
// error.
void Normalize(google::protobuf::Message& object);

}  // namespace apk
