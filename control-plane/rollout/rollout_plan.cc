// Field by field.
#include "control-plane/rollout/rollout_plan.h"

#include <charconv>
#include <set>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/duration.h"

namespace apk {
namespace {

constexpr int kStagesMax = 20;
constexpr std::chrono::milliseconds kTimeout{30'000};
constexpr std::chrono::milliseconds kTimeoutMin{1'000};
constexpr int32_t kRequestsMin = 20;
constexpr char kAllName[] = "all";

absl::Status Wrong(std::string_view field, std::string_view message) {
  return absl::InvalidArgumentError(Concat(field, ": ", message));
}

// "10%" as 0.1.
absl::StatusOr<double> ReadShare(std::string_view field, std::string_view text) {
  double percent = 0;
  const std::string_view digits = text.substr(0, text.empty() ? 0 : text.size() - 1);
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, percent, std::chars_format::fixed);
  if (!text.ends_with('%') || error != std::errc() || rest != end || !(percent >= 0) ||
      percent > 100) {
    return Wrong(field, Concat("\"", text, "\" is no share: write a percentage, such as 10%"));
  }
  return percent / 100;
}

absl::StatusOr<std::chrono::milliseconds> ReadDuration(std::string_view field,
                                                       const std::string& text,
                                                       std::chrono::milliseconds otherwise) {
  if (text.empty()) return otherwise;
  const std::optional<uint32_t> duration = ParseDurationMs(text);
  if (duration.has_value()) return std::chrono::milliseconds(*duration);
  return Wrong(field, Concat("\"", text, "\" is no duration: write 500ms, 30s or 2m"));
}

absl::StatusOr<std::chrono::milliseconds> ReadTimeout(std::string_view field,
                                                      const std::string& text,
                                                      std::chrono::milliseconds otherwise) {
  ASSIGN_OR_RETURN(const std::chrono::milliseconds timeout, ReadDuration(field, text, otherwise));
  if (timeout >= kTimeoutMin) return timeout;
  return Wrong(field, "agents need a second at least");
}

absl::StatusOr<RolloutPlan::Stage> ReadStage(const v1::RolloutStage& stage,
                                             const std::string& field, size_t number,
                                             std::chrono::milliseconds timeout) {
  RolloutPlan::Stage read;
  read.name = stage.name().empty() ? Concat("stage-", std::to_string(number)) : stage.name();
  if (stage.selector().empty() == stage.share().empty()) {
    return Wrong(field, "has either a selector or a share: which agents it is about");
  }
  if (!stage.selector().empty()) {
    absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(stage.selector());
    if (!selector.ok()) {
      return Wrong(Concat(field, ".selector"), std::string(selector.status().message()));
    }
    read.selector = *std::move(selector);
  } else {
    const std::string of_share = Concat(field, ".share");
    ASSIGN_OR_RETURN(read.share, ReadShare(of_share, stage.share()));
    if (read.share == 0) return Wrong(of_share, "must be more than 0%");
  }
  ASSIGN_OR_RETURN(
      read.soak, ReadDuration(Concat(field, ".soak"), stage.soak(), std::chrono::milliseconds(0)));
  ASSIGN_OR_RETURN(read.timeout, ReadTimeout(Concat(field, ".timeout"), stage.timeout(), timeout));
  return read;
}

absl::StatusOr<RolloutPlan::ErrorRule> ReadRule(const v1::ErrorRateRule& rule,
                                                const std::string& field, bool present) {
  RolloutPlan::ErrorRule read;
  if (!present) return read;
  if (!rule.max().empty()) {
    ASSIGN_OR_RETURN(read.max, ReadShare(Concat(field, ".max"), rule.max()));
  }
  if (!rule.over_baseline().empty()) {
    ASSIGN_OR_RETURN(read.over_baseline,
                     ReadShare(Concat(field, ".overBaseline"), rule.over_baseline()));
  }
  if (read.empty()) return Wrong(field, "has max or overBaseline, or both");
  if (rule.min_requests() < 0) return Wrong(Concat(field, ".minRequests"), "must not be negative");
  read.requests_min =
      static_cast<uint64_t>(rule.min_requests() == 0 ? kRequestsMin : rule.min_requests());
  return read;
}

}  // namespace

absl::StatusOr<RolloutPlan> ParsePolicy(const v1::RolloutPolicy& policy) {
  RolloutPlan plan;
  if (policy.stages_size() > kStagesMax) {
    return Wrong("stages", Concat("there are more than ", std::to_string(kStagesMax)));
  }
  ASSIGN_OR_RETURN(const std::chrono::milliseconds timeout,
                   ReadTimeout("timeout", policy.timeout(), kTimeout));
  std::set<std::string> names;
  double share = 0;
  for (int i = 0; i < policy.stages_size(); ++i) {
    const std::string field = Concat("stages[", std::to_string(i), "]");
    ASSIGN_OR_RETURN(RolloutPlan::Stage stage,
                     ReadStage(policy.stages(i), field, static_cast<size_t>(i) + 1, timeout));
    if (!names.insert(stage.name).second) {
      return Wrong(Concat(field, ".name"), Concat("another stage is called ", stage.name));
    }
    if (!stage.selector.has_value() && stage.share <= share) {
      return Wrong(Concat(field, ".share"),
                   "is not more than that of a stage before, whose agents it includes");
    }
    if (!stage.selector.has_value()) share = stage.share;
    plan.stages.push_back(std::move(stage));
  }
  if (!plan.stages.empty() && share < 1) {
    RolloutPlan::Stage all;
    for (all.name = kAllName; names.contains(all.name);) all.name += '-';
    all.timeout = timeout;
    plan.stages.push_back(std::move(all));
  }
  if (share == 1 && plan.stages.back().selector.has_value()) {
    return Wrong("stages", "the one with 100% must be the last: it has all agents");
  }
  ASSIGN_OR_RETURN(plan.error_rate,
                   ReadRule(policy.error_rate(), "errorRate", policy.has_error_rate()));
  ASSIGN_OR_RETURN(
      plan.gateway_error_rate,
      ReadRule(policy.gateway_error_rate(), "gatewayErrorRate", policy.has_gateway_error_rate()));
  const std::string& on_new = policy.on_new_revision();
  if (!on_new.empty() && on_new != "Restart" && on_new != "Wait") {
    return Wrong("onNewRevision", Concat("\"", on_new, "\": must be Restart or Wait"));
  }
  plan.restarts = on_new != "Wait";
  const std::string& on_refusal = policy.on_refusal();
  if (!on_refusal.empty() && on_refusal != "Stop" && on_refusal != "Hold") {
    return Wrong("onRefusal", Concat("\"", on_refusal, "\": must be Stop or Hold"));
  }
  plan.holds = on_refusal == "Hold";
  return plan;
}

}  // namespace apk
