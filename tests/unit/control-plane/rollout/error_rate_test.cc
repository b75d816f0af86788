// The rules, at their edges.
#include "control-plane/rollout/error_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::HasSubstr;

v1::Traffic Of(uint64_t requests, uint64_t errors, uint64_t own = 0) {
  v1::Traffic traffic;
  traffic.set_requests(requests);
  traffic.set_responses_5xx(errors);
  traffic.set_gateway_errors(own);
  return traffic;
}

RolloutPlan Plan(std::optional<double> max, std::optional<double> over, uint64_t least = 10) {
  RolloutPlan plan;
  plan.error_rate = {.max = max, .over_baseline = over, .requests_min = least};
  return plan;
}

TEST(ErrorRate, WithoutARuleNothingIsSaid) {
  EXPECT_FALSE(JudgeRates({}, Of(100, 100, 100), {}).has_value());
}

TEST(ErrorRate, AnAbsoluteLimitHoldsFromTheLeastNumberOfRequestsOn) {
  const RolloutPlan plan = Plan(0.1, std::nullopt);
  EXPECT_FALSE(JudgeRates(plan, Of(0, 0), {}).has_value());
  EXPECT_FALSE(JudgeRates(plan, Of(9, 9), {}).has_value());
  EXPECT_FALSE(JudgeRates(plan, Of(10, 1), {}).has_value());  // 10 % is not more than 10 %.
  const auto verdict = JudgeRates(plan, Of(10, 2), {});
  ASSERT_TRUE(verdict.has_value());
  EXPECT_THAT(*verdict, HasSubstr("20.0 % of 10 requests were answered with 5xx"));
}

TEST(ErrorRate, ALimitOverTheBaselineNeedsABaseline) {
  const RolloutPlan plan = Plan(std::nullopt, 0.05);
  EXPECT_FALSE(JudgeRates(plan, Of(100, 100), Of(9, 0)).has_value());
  EXPECT_TRUE(JudgeRates(plan, Of(100, 6), Of(100, 0)).has_value());
  EXPECT_FALSE(JudgeRates(plan, Of(100, 5), Of(100, 0)).has_value());
  EXPECT_FALSE(JudgeRates(plan, Of(100, 55), Of(1000, 500)).has_value());
  EXPECT_TRUE(JudgeRates(plan, Of(100, 56), Of(1000, 500)).has_value());
  EXPECT_FALSE(IsBaseline(plan, Of(9, 0)));
  EXPECT_TRUE(IsBaseline(plan, Of(10, 0)));
  EXPECT_FALSE(IsBaseline(Plan(0.1, std::nullopt), Of(1000, 0)));
}

TEST(ErrorRate, TheGatewaysOwnErrorsHaveARuleOfTheirOwn) {
  RolloutPlan plan;
  plan.gateway_error_rate = {.max = 0.0, .over_baseline = std::nullopt, .requests_min = 1};
  EXPECT_FALSE(JudgeRates(plan, Of(10, 10, 0), {}).has_value());
  const auto verdict = JudgeRates(plan, Of(10, 10, 1), {});
  ASSERT_TRUE(verdict.has_value());
  EXPECT_THAT(*verdict, HasSubstr("by the gateway itself"));
}

}  // namespace
}  // namespace apk
