// A call whose token is signed by a key that is not known waits until the keys are fetched again.
#include "control-plane/server/call_judge.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/admin/caller.h"

namespace apk {
namespace {

using Call = Limits::Call;

constexpr std::string_view kDiscovery = "/apk.v1.DiscoveryService/";
constexpr std::string_view kHealth = "/grpc.health.v1.Health/";
constexpr std::string_view kOurs = "/apk.v1.";
constexpr std::array<std::string_view, 13> kReads = {
    "Get",           "List",           "ListRevisions",   "ListAgents",
    "GetServerInfo", "Export",         "GetPolicy",       "GetRollout",
    "ListRollouts",  "ListJoinTokens", "ListRevocations", "ServerReflectionInfo",
    "GetAuthorities"};

// Of a method that users call.
Call CallOf(std::string_view method) {
  const std::string_view name = method.substr(method.rfind('/') + 1);
  if (name == "Apply") return Call::kApply;
  if (name == "Watch") return Call::kWatch;
  const bool reads =
      method.starts_with(kHealth) || std::find(kReads.begin(), kReads.end(), name) != kReads.end();
  return reads ? Call::kRead : Call::kChange;
}

// Whom a call is counted for; nobody where it is let in by an agent's certificate.
absl::StatusOr<Principal> CallerOf(const Authenticator& authenticator, const std::string& method,
                                   const Credentials& shown) {
  const std::time_t now = std::time(nullptr);
  if (shown.certificate.IsAgent() && method.starts_with(kHealth)) {
    RETURN_IF_ERROR(authenticator.ledger().Check(shown.certificate, now));
    return Principal();
  }
  // Of our own services each says what it refuses, and notes it.
  return method.starts_with(kOurs) ? authenticator.Identify(shown, now)
                                   : authenticator.User(shown, now);
}

absl::Status Judge(const Authenticator& authenticator, Limits& limits, const std::string& method,
                   const Credentials& shown) {
  ASSIGN_OR_RETURN(const Principal caller, CallerOf(authenticator, method, shown));
  if (caller.name.empty()) return absl::OkStatus();
  const Call call = CallOf(method);
  RETURN_IF_ERROR(limits.Take(caller.name, call, Now()));
  return limits.Begin(caller.name, call, Now());
}

class Counter final : public grpc::experimental::Interceptor {
 public:
  Counter(const Authenticator& authenticator, Limits& limits,
          grpc::experimental::ServerRpcInfo& info)
      : authenticator_(authenticator), limits_(limits), info_(info) {}
  ~Counter() override {
    if (!user_.empty()) limits_.End(user_, call_);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    const bool begins = methods->QueryInterceptionHookPoint(
        grpc::experimental::InterceptionHookPoints::POST_RECV_INITIAL_METADATA);
    if (begins && user_.empty()) Begin();
    methods->Proceed();
  }

 private:
  void Begin() {
    const std::string method = info_.method();
    const Credentials shown =
        CredentialsOf(*info_.server_context(), authenticator_.ledger().trust_domain());
    const absl::StatusOr<Principal> caller = CallerOf(authenticator_, method, shown);
    if (!caller.ok() || caller->name.empty()) return;
    user_ = caller->name;
    call_ = CallOf(method);
    limits_.Run(user_, call_);
  }

  const Authenticator& authenticator_;
  Limits& limits_;
  grpc::experimental::ServerRpcInfo& info_;
  std::string user_;
  Call call_ = Call::kRead;
};

class Counters final : public CallCounter {
 public:
  Counters(const Authenticator& authenticator, Limits& limits)
      : authenticator_(authenticator), limits_(limits) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    const std::string_view method(info->method());
    if (method.starts_with(kDiscovery)) return nullptr;
    return new Counter(authenticator_, limits_, *info);
  }

 private:
  const Authenticator& authenticator_;
  Limits& limits_;
};

}  // namespace

CallJudge JudgeOf(const Authenticator& authenticator, Limits& limits) {
  return [&authenticator, &limits](const CallHead& head, const CallAnswer& answer) {
    if (head.method.starts_with(kDiscovery)) return answer(absl::OkStatus());
    Credentials shown;
    shown.certificate = PeerOfPem(head.certificate_pem, authenticator.ledger().trust_domain());
    shown.authorization = head.authorization;
    const absl::Status status = Judge(authenticator, limits, head.method, shown);
    const auto again = [&authenticator, &limits, method = head.method, shown, answer] {
      answer(Judge(authenticator, limits, method, shown));
    };
    const bool waits = !status.ok() && authenticator.WaitForKeys(status, head.connection, again);
    if (!waits) answer(status);
  };
}

std::unique_ptr<CallCounter> CounterOf(const Authenticator& authenticator, Limits& limits) {
  return std::make_unique<Counters>(authenticator, limits);
}

}  // namespace apk
