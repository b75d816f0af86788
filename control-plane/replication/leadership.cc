// First come, first served; the key goes with the lease.
#include "control-plane/replication/leadership.h"

#include "common/status_macros.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kRenewAfter{2};

}  // namespace

void Leadership::LoseLease() {
  lease_ = 0;
  fence_ = kNoFence;
}

absl::Status Leadership::Renew(TimePoint now) {
  if (lease_ == 0) {
    ASSIGN_OR_RETURN(lease_, client_.GrantLease(kLease.count()));
    renewed_ = now;
  } else if (now - renewed_ >= kRenewAfter) {
    const absl::Status kept = client_.KeepAlive(lease_);
    if (kept.ok()) {
      renewed_ = now;
    } else if (absl::IsNotFound(kept)) {
      LoseLease();
      return kept;
    } else {
      // Somebody else may lead by now.
      if (now - renewed_ >= kLease) fence_ = kNoFence;
      return kept;
    }
  }
  return Stand();
}

absl::Status Leadership::Stand() {
  EtcdTransaction transaction;
  transaction.compares = {
      {.what = EtcdCompare::What::kCreateRevision, .key = keys_.Leader(), .revision = 0}};
  transaction.writes = {{.what = EtcdWrite::What::kPut,
                         .key = keys_.Leader(),
                         .value = replica_,
                         .lease = lease_,
                         .range_end = ""}};
  transaction.reads_instead = {{.key = keys_.Leader(), .end = ""}};
  const absl::StatusOr<EtcdOutcome> outcome = client_.Commit(transaction);
  if (absl::IsNotFound(outcome.status())) LoseLease();  // "requested lease not found"
  RETURN_IF_ERROR(outcome.status());
  if (outcome->succeeded) {
    fence_ = outcome->revision;
    return absl::OkStatus();
  }
  const std::vector<EtcdKeyValue>& leader = outcome->ranges.at(0);
  const bool own = !leader.empty() && leader.front().value == replica_;
  fence_ = own ? leader.front().create_revision : kNoFence;
  return absl::OkStatus();
}

void Leadership::Resign() {
  if (lease_ != 0) client_.Revoke(lease_).IgnoreError();
  LoseLease();
}

}  // namespace apk
