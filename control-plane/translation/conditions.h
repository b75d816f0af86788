// Status conditions (Gateway API, metav1.Condition). Pure.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string>
#include <string_view>

#include "apk/v1/meta.pb.h"

namespace apk {

using Conditions = google::protobuf::RepeatedPtrField<v1::Condition>;

inline constexpr char kControllerName[] = "apk.dev/gateway-controller";
inline constexpr char kGatewayGroup[] = "gateway.networking.k8s.io";
inline constexpr char kApkGroup[] = "dp.wso2.com";

// Of Programmed: an agent refuses what the snapshot has of the object, which is not rolled out.
inline constexpr char kRefusedReason[] = "RefusedByAgent";

// What all conditions of one object share.
struct ConditionScope {
  int64_t generation = 0;
  const std::string* now = nullptr;      // RFC 3339.
  const Conditions* previous = nullptr;  // Of the same place; nullptr where there were none.
};

// Sets or adds the condition. lastTransitionTime is kept where `previous` has the same status.
void SetCondition(const ConditionScope& scope, std::string_view type, bool status,
                  std::string_view reason, std::string_view message, Conditions* conditions);

// nullptr where there is none of that type.
const v1::Condition* FindCondition(const Conditions& conditions, std::string_view type);

// Collects what is wrong with one aspect: the first reason, and every message once and within
// limits. A condition has one reason: messages of another end with it, as in "Backend a not found
// [BackendNotFound]".
class Problem {
 public:
  void Add(std::string_view reason, std::string_view message);
  bool empty() const { return reason_.empty(); }
  const std::string& reason() const { return reason_; }
  const std::string& message() const { return message_; }

 private:
  std::string reason_;
  std::string message_;
};

}  // namespace apk
