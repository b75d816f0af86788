// What the control plane's status says against an object, as warnings for who applied it. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace apk {

struct ConditionWarning {
  std::string field_path;  // Of the object: "spec.rules[0].backendRefs[0]"; "" for all of it.
  std::string message;
  std::string hint;  // What to do; may be empty.
};

// One for each problem that a condition names, those of listeners and parents included, none twice.
// What is only on its way (Programmed, Pending) is no problem. An object that nobody takes charge
// of has one, too.
std::vector<ConditionWarning> WarningsOf(const google::protobuf::Message& object);

}  // namespace apk
