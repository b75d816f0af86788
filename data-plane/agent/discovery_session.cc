// Revisions are compared within one store alone.
#include "data-plane/agent/discovery_session.h"

namespace apk {

void DiscoverySession::Hold(const v1::Snapshot& snapshot) {
  builder_.Reset(snapshot);
  version_ = snapshot.version();
  revision_ = snapshot.revision();
  store_ = snapshot.store();
}

v1::DiscoveryRequest DiscoverySession::Hello(const v1::AgentInfo& agent) const {
  v1::DiscoveryRequest hello;
  *hello.mutable_agent() = agent;
  hello.set_version(version_);
  hello.set_revision(revision_);
  hello.set_store(store_);
  hello.set_can_tell_held(true);
  hello.set_can_take_parts(true);
  hello.set_knows_rollouts(true);
  return hello;
}

bool DiscoverySession::IsOlder(const v1::DiscoveryResponse& response) const {
  const bool lower = !version_.empty() && !response.held_wanted() && !store_.empty() &&
                     response.store() == store_ && response.revision() < revision_;
  const bool withdrawn = response.withdrawn_after() < revision_ &&
                         revision_ <= response.withdrawn_revision() &&
                         response.withdrawn_after() <= response.revision();
  return lower && !withdrawn;
}

v1::DiscoveryRequest DiscoverySession::Answer(const v1::DiscoveryResponse& response,
                                              const PutInForce& put_in_force) const {
  v1::DiscoveryRequest request;
  request.set_response_nonce(response.nonce());
  if (response.held_wanted()) {
    *request.mutable_held() = builder_.Held();
  } else if (const auto snapshot = builder_.Next(response); snapshot.ok()) {
    put_in_force(*snapshot, request);
  } else {
    request.set_error(std::string(snapshot.status().message()));
    request.set_whole_wanted(true);
  }
  request.set_version(version_);
  request.set_revision(revision_);
  return request;
}

v1::Snapshot DiscoverySession::Now() const {
  v1::Snapshot snapshot = builder_.Now();
  snapshot.set_version(version_);
  snapshot.set_revision(revision_);
  return snapshot;
}

}  // namespace apk
