// What a policy may say, and how it is told where it is wrong.
#include "control-plane/rollout/rollout_plan.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

v1::RolloutPolicy Policy(const std::string& text) {
  v1::RolloutPolicy policy;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &policy));
  return policy;
}

std::string ProblemOf(const std::string& text) {
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(Policy(text));
  return plan.ok() ? "" : std::string(plan.status().message());
}

TEST(RolloutPlan, AnEmptyPolicyHasNoStages) {
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy({});
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->stages.empty());
}

TEST(RolloutPlan, FillsInWhatIsLeftOut) {
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(
      Policy("stages {selector: 'tier=canary' soak: '2m'} stages {name: 'some' share: '12.5%' "
             "timeout: '5s'} timeout: '10s' error_rate {max: '5%'}"));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  ASSERT_EQ(plan->stages.size(), 3u);
  EXPECT_EQ(plan->stages[0].name, "stage-1");
  EXPECT_TRUE(plan->stages[0].selector.has_value());
  EXPECT_EQ(plan->stages[0].soak, 2min);
  EXPECT_EQ(plan->stages[0].timeout, 10s);
  EXPECT_EQ(plan->stages[1].name, "some");
  EXPECT_DOUBLE_EQ(plan->stages[1].share, 0.125);
  EXPECT_EQ(plan->stages[1].timeout, 5s);
  EXPECT_EQ(plan->stages[2].name, "all");
  EXPECT_DOUBLE_EQ(plan->stages[2].share, 1);
  EXPECT_EQ(plan->stages[2].soak, 0s);
  EXPECT_DOUBLE_EQ(*plan->error_rate.max, 0.05);
  EXPECT_EQ(plan->error_rate.requests_min, 20u);
  EXPECT_TRUE(plan->gateway_error_rate.empty());
  EXPECT_TRUE(plan->restarts);
}

TEST(RolloutPlan, AStageOfAllIsTheLast) {
  const absl::StatusOr<RolloutPlan> plan =
      ParsePolicy(Policy("stages {share: '1%'} stages {share: '100%' soak: '1m'}"));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->stages.size(), 2u);
  EXPECT_THAT(ProblemOf("stages {share: '100%'} stages {selector: 'a=b'}"), HasSubstr("the last"));
}

TEST(RolloutPlan, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(ProblemOf("stages {}"), HasSubstr("stages[0]: has either"));
  EXPECT_THAT(ProblemOf("stages {share: '1%' selector: 'a'}"), HasSubstr("stages[0]: has either"));
  for (const char* const share :
       {"10", "%", "-1%", "101%", "ten%", "nan%", "inf%", "1e1%", " 1%"}) {
    EXPECT_THAT(ProblemOf(std::string("stages {share: '") + share + "'}"),
                HasSubstr("stages[0].share: \"" + std::string(share) + "\""));
  }
  EXPECT_THAT(ProblemOf("stages {share: '0%'}"), HasSubstr("stages[0].share: must be more"));
  EXPECT_THAT(ProblemOf("stages {share: '10%'} stages {share: '10%'}"),
              HasSubstr("stages[1].share: is not more"));
  EXPECT_THAT(ProblemOf("stages {selector: '=x'}"), HasSubstr("stages[0].selector: "));
  EXPECT_THAT(ProblemOf("stages {share: '1%' soak: 'soon'}"),
              HasSubstr("stages[0].soak: \"soon\""));
  EXPECT_THAT(ProblemOf("stages {share: '1%' timeout: '10ms'}"),
              HasSubstr("stages[0].timeout: agents need a second"));
  EXPECT_THAT(ProblemOf("stages {name: 'a' share: '1%'} stages {name: 'a' share: '2%'}"),
              HasSubstr("stages[1].name"));
  EXPECT_THAT(ProblemOf("timeout: '1x'"), HasSubstr("timeout: \"1x\""));
  EXPECT_THAT(ProblemOf("error_rate {}"), HasSubstr("errorRate: has max or overBaseline"));
  EXPECT_THAT(ProblemOf("error_rate {max: 'few'}"), HasSubstr("errorRate.max: \"few\""));
  EXPECT_THAT(ProblemOf("gateway_error_rate {over_baseline: '2'}"),
              HasSubstr("gatewayErrorRate.overBaseline: \"2\""));
  EXPECT_THAT(ProblemOf("error_rate {max: '1%' min_requests: -1}"),
              HasSubstr("errorRate.minRequests: must not be negative"));
  EXPECT_THAT(ProblemOf("on_new_revision: 'Maybe'"), HasSubstr("onNewRevision: \"Maybe\""));
  EXPECT_THAT(ProblemOf("on_refusal: 'Ignore'"), HasSubstr("onRefusal: \"Ignore\""));
  v1::RolloutPolicy many;
  for (int i = 1; i <= 21; ++i) many.add_stages()->set_share(std::to_string(i) + "%");
  EXPECT_THAT(std::string(ParsePolicy(many).status().message()), HasSubstr("more than 20"));
}

}  // namespace
}  // namespace apk
