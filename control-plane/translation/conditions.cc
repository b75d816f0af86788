// Messages are cut where Kubernetes would refuse them.
#include "control-plane/translation/conditions.h"

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kMessageBytesMax = 32 * 1024;
constexpr std::string_view kBetween = "; ";  // Messages of one condition.

}  // namespace

const v1::Condition* FindCondition(const Conditions& conditions, std::string_view type) {
  for (const v1::Condition& condition : conditions) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

void SetCondition(const ConditionScope& scope, std::string_view type, bool status,
                  std::string_view reason, std::string_view message, Conditions* conditions) {
  v1::Condition* condition = const_cast<v1::Condition*>(FindCondition(*conditions, type));
  if (condition == nullptr) condition = conditions->Add();
  condition->set_type(std::string(type));
  condition->set_status(status ? "True" : "False");
  condition->set_observed_generation(scope.generation);
  condition->set_reason(std::string(reason));
  condition->set_message(std::string(CutUtf8(message, kMessageBytesMax)));
  const v1::Condition* const before =
      scope.previous == nullptr ? nullptr : FindCondition(*scope.previous, type);
  const bool kept = before != nullptr && before->status() == condition->status();
  condition->set_last_transition_time(kept ? before->last_transition_time() : *scope.now);
}

void Problem::Add(std::string_view reason, std::string_view message) {
  if (reason_.empty()) reason_ = reason;
  const std::string part =
      reason == reason_ ? std::string(message) : Concat(message, " [", reason, "]");
  if (message_.size() + part.size() > kMessageBytesMax) return;
  if (Concat(kBetween, message_, kBetween).find(Concat(kBetween, part, kBetween)) !=
      std::string::npos) {
    return;
  }
  if (!message_.empty()) message_ += kBetween;
  message_ += part;
}

}  // namespace apk
