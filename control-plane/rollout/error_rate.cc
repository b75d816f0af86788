// Shares of sums, no statistics: the least number of requests is what keeps chance out.
#include "control-plane/rollout/error_rate.h"

#include <algorithm>
#include <cstdio>

#include "common/strings.h"

namespace apk {
namespace {

std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", share * 100);
  return text;
}

double ShareOf(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Add(const v1::Traffic& traffic, v1::Traffic& sum) {
  sum.set_requests(sum.requests() + traffic.requests());
  sum.set_responses_5xx(sum.responses_5xx() + traffic.responses_5xx());
  sum.set_gateway_errors(sum.gateway_errors() + traffic.gateway_errors());
}

std::optional<std::string> JudgeRate(const RolloutPlan::ErrorRule& rule, std::string_view what,
                                     uint64_t (v1::Traffic::*errors)() const,
                                     const v1::Traffic& canaries, const v1::Traffic& baseline) {
  const uint64_t requests = canaries.requests();
  if (rule.empty() || requests == 0 || requests < rule.requests_min) return std::nullopt;
  const double share = ShareOf((canaries.*errors)(), requests);
  const std::string found =
      Concat(Percent(share), " of ", std::to_string(requests), " requests ", what);
  if (rule.max.has_value() && share > *rule.max) {
    return Concat(found, ", more than ", Percent(*rule.max));
  }
  if (!rule.over_baseline.has_value() || baseline.requests() == 0 ||
      baseline.requests() < rule.requests_min) {
    return std::nullopt;
  }
  const double usual = ShareOf((baseline.*errors)(), baseline.requests());
  if (share <= usual + *rule.over_baseline) return std::nullopt;
  return Concat(found, ", where it is ", Percent(usual), " with what was before, and ",
                Percent(*rule.over_baseline), " more are allowed");
}

std::optional<std::string> JudgeRates(const RolloutPlan& plan, const v1::Traffic& canaries,
                                      const v1::Traffic& baseline) {
  std::optional<std::string> verdict = JudgeRate(plan.error_rate, "were answered with 5xx",
                                                 &v1::Traffic::responses_5xx, canaries, baseline);
  if (verdict.has_value()) return verdict;
  return JudgeRate(plan.gateway_error_rate, "were answered with 5xx by the gateway itself",
                   &v1::Traffic::gateway_errors, canaries, baseline);
}

bool IsBaseline(const RolloutPlan& plan, const v1::Traffic& traffic) {
  const auto enough = [&traffic](const RolloutPlan::ErrorRule& rule) {
    return rule.over_baseline.has_value() && traffic.requests() >= rule.requests_min;
  };
  return traffic.requests() > 0 && (enough(plan.error_rate) || enough(plan.gateway_error_rate));
}

}  // namespace apk
