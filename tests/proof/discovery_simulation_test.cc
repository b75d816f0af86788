// Thousands of courses of events, and that the simulation would see faults of the kinds that such
// protocols have had. APK_PROOF_SEED and APK_PROOF_SEEDS: the first seed, and how many.
#include "tests/proof/discovery_simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace apk::proof {
namespace {

uint32_t NumberIn(const char* variable, uint32_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

TEST(DiscoverySimulation, EveryAgentEndsWithWhatIsNewestAndNoneEverGoesBack) {
  const uint32_t first = NumberIn("APK_PROOF_SEED", 1);
  const uint32_t count = NumberIn("APK_PROOF_SEEDS", 1000);
  uint64_t taken = 0;
  uint64_t refusals = 0;
  uint64_t wholes_wanted = 0;
  for (uint32_t seed = first; seed < first + count; ++seed) {
    DiscoverySimulation<RealProtocol> simulation(seed);
    ASSERT_EQ(simulation.Run(), "") << "seed " << seed;
    taken += simulation.snapshots_taken();
    refusals += simulation.refusals();
    wholes_wanted += simulation.wholes_wanted();
  }
  if (count == 1) return;
  EXPECT_GT(taken, count);
  EXPECT_GT(refusals, count / 10);
  EXPECT_GT(wholes_wanted, 0u);
}

// The first fault in so many courses, "" where none is seen.
template <class Protocol>
std::string FirstFault() {
  constexpr uint32_t kSeeds = 300;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string fault = DiscoverySimulation<Protocol>(seed).Run();
    if (!fault.empty()) return fault;
  }
  return "";
}

// Takes what was sent for what the agent has.
class DifferenceToLastSent : public PlainSubscription {
 public:
  using PlainSubscription::PlainSubscription;
  Answer OnAnswer(const v1::DiscoveryRequest& request) {
    v1::DiscoveryRequest taken = request;
    if (!request.whole_wanted()) taken.clear_error();
    return PlainSubscription::OnAnswer(taken);
  }
};
struct WithDifferenceToLastSent : RealProtocol {
  using ControlPlaneSide = DifferenceToLastSent;
};

TEST(DiscoverySimulation, FindsDifferencesToWhatWasLastSent) {
  EXPECT_NE(FirstFault<WithDifferenceToLastSent>(), "");
}

// Begins anew after a refusal, and has forgotten it.
class ForgetfulOfRefusals {
 public:
  explicit ForgetfulOfRefusals(const std::string& store) : store_(store), real_(store) {}
  bool IsAhead(const v1::DiscoveryRequest& hello, const SnapshotPtr& newest) {
    return real_.IsAhead(hello, newest);
  }
  auto OnHello(const v1::DiscoveryRequest& request, const SnapshotPtr& newest) {
    newest_ = newest;
    return real_.OnHello(request, newest);
  }
  auto OnPublish(const SnapshotPtr& newest) {
    newest_ = newest;
    return real_.OnPublish(newest);
  }
  PlainSubscription::Answer OnAnswer(const v1::DiscoveryRequest& request) {
    PlainSubscription::Answer answer = real_.OnAnswer(request);
    if (request.error().empty() || request.whole_wanted()) return answer;
    std::destroy_at(&real_);
    std::construct_at(&real_, store_);
    answer.next = real_.OnHello(request, newest_);
    return answer;
  }

 private:
  const std::string store_;
  PlainSubscription real_;
  SnapshotPtr newest_;
};
struct WithForgottenRefusals : RealProtocol {
  using ControlPlaneSide = ForgetfulOfRefusals;
};

TEST(DiscoverySimulation, FindsARefusedVersionThatIsSentAgain) {
  EXPECT_NE(FirstFault<WithForgottenRefusals>(), "");
}

// Does not wait for the answer before it sends the next.
class Impatient : public PlainSubscription {
 public:
  using PlainSubscription::PlainSubscription;
  std::optional<v1::DiscoveryResponse> OnPublish(const SnapshotPtr& newest) {
    std::optional<v1::DiscoveryResponse> response = PlainSubscription::OnPublish(newest);
    if (response.has_value()) return response;
    PlainSubscription anew("store");
    return anew.OnHello({}, newest);
  }
};
struct WithImpatience : RealProtocol {
  using ControlPlaneSide = Impatient;
};

TEST(DiscoverySimulation, FindsTwoResponsesInFlight) {
  EXPECT_NE(FirstFault<WithImpatience>(), "");
}

// Serves agents that have seen more than it has.
class BehindButSure : public PlainSubscription {
 public:
  using PlainSubscription::PlainSubscription;
  bool IsAhead(const v1::DiscoveryRequest&, const SnapshotPtr&) const { return false; }
};
class Careless : public DiscoverySession {
 public:
  bool IsOlder(const v1::DiscoveryResponse&) const { return false; }
};
struct WithWayBack {
  using ControlPlaneSide = BehindButSure;
  using AgentSide = Careless;
};

TEST(DiscoverySimulation, FindsAnAgentThatGoesBack) { EXPECT_NE(FirstFault<WithWayBack>(), ""); }

// Either side alone prevents it.
struct WithAgentAlone : RealProtocol {
  using ControlPlaneSide = BehindButSure;
};
struct WithControlPlaneAlone : RealProtocol {
  using AgentSide = Careless;
};

TEST(DiscoverySimulation, EitherSideAloneKeepsAgentsFromGoingBack) {
  EXPECT_EQ(FirstFault<WithAgentAlone>(), "");
  EXPECT_EQ(FirstFault<WithControlPlaneAlone>(), "");
}

// Says that it has what it had before it was killed.
class Boastful : public DiscoverySession {
 public:
  Boastful() = default;
  Boastful(const Boastful&) = default;
  // A process that begins anew keeps the claim of the one before.
  Boastful& operator=(const Boastful& anew) {
    if (!version().empty()) claim_ = Hello({});
    DiscoverySession::operator=(anew);
    return *this;
  }
  v1::DiscoveryRequest Hello(const v1::AgentInfo& agent) const {
    return claim_.version().empty() ? DiscoverySession::Hello(agent) : claim_;
  }
  void Hold(const v1::Snapshot& snapshot) {
    if (snapshot.revision() >= claim_.revision()) claim_.Clear();
    DiscoverySession::Hold(snapshot);
  }

 private:
  v1::DiscoveryRequest claim_;
};
struct WithBoasting : RealProtocol {
  using AgentSide = Boastful;
};

TEST(DiscoverySimulation, FindsAnAgentThatClaimsWhatItHasNot) {
  EXPECT_NE(FirstFault<WithBoasting>(), "");
}

}  // namespace
}  // namespace apk::proof
