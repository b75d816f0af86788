// Differences are taken against what this stream saw acknowledged, or the agent told; anything else
// gets the whole.
#include "control-plane/discovery/subscription.h"

#include "common/snapshot_version.h"

namespace apk {
namespace {

constexpr size_t kRefusedMax = 64;

}  // namespace

std::optional<v1::DiscoveryResponse> Subscription::OnHello(const v1::DiscoveryRequest& request,
                                                           const SnapshotPtr& newest) {
  acknowledged_ = request.version();
  newest_ = newest;
  if (newest->version == acknowledged_) base_ = newest;
  const bool ask = request.can_tell_held() && !acknowledged_.empty() && base_ == nullptr;
  return ask ? Ask() : SendIfDue();
}

v1::DiscoveryResponse Subscription::Ask() {
  asked_ = true;
  v1::DiscoveryResponse response;
  response.set_nonce(std::to_string(++last_nonce_));
  response.set_held_wanted(true);
  return response;
}

std::optional<v1::DiscoveryResponse> Subscription::OnPublish(const SnapshotPtr& newest) {
  newest_ = newest;
  return SendIfDue();
}

Subscription::Answer Subscription::OnAnswer(const v1::DiscoveryRequest& request) {
  Answer answer;
  if (asked_ && request.has_held() && request.response_nonce() == std::to_string(last_nonce_)) {
    asked_ = false;
    const auto& fingerprints = request.held().fingerprints();
    held_.emplace(fingerprints.begin(), fingerprints.end());
    answer.told = true;
    answer.next = SendIfDue();
    return answer;
  }
  if (in_flight_ == nullptr || request.response_nonce() != std::to_string(last_nonce_)) {
    answer.stale = true;
    return answer;
  }
  answer.accepted = request.error().empty();
  answer.version = in_flight_->version;
  if (answer.accepted) {
    base_ = in_flight_;
    acknowledged_ = in_flight_->version;
    held_.reset();
  } else if (request.whole_wanted() && (base_ != nullptr || held_.has_value())) {
    base_ = nullptr;
    held_.reset();
    answer.again = true;
  } else {
    if (refused_.size() == kRefusedMax) refused_.clear();
    refused_.insert(in_flight_->version);
  }
  in_flight_ = nullptr;
  answer.next = SendIfDue();
  return answer;
}

std::optional<v1::DiscoveryResponse> Subscription::SendIfDue() {
  if (in_flight_ != nullptr || asked_ || newest_ == nullptr || newest_->version.empty()) {
    return std::nullopt;
  }
  if (newest_->version == acknowledged_ || refused_.contains(newest_->version)) {
    return std::nullopt;
  }
  in_flight_ = newest_;
  v1::DiscoveryResponse response =
      base_ == nullptr && held_.has_value() ? DifferenceToHeld() : Difference();
  response.set_nonce(std::to_string(++last_nonce_));
  response.set_version(newest_->version);
  response.set_revision(newest_->revision);
  response.set_store(store_);
  return response;
}

// Both snapshots are sorted by name, and share the resources that did not change.
v1::DiscoveryResponse Subscription::Difference() const {
  v1::DiscoveryResponse response;
  response.set_full(base_ == nullptr);
  static const std::vector<SharedResource> nothing;
  const std::vector<SharedResource>& held = base_ == nullptr ? nothing : base_->resources;
  auto before = held.begin();
  for (const SharedResource& resource : newest_->resources) {
    while (before != held.end() && (*before)->name() < resource->name()) {
      response.add_removed((*before++)->name());
    }
    if (before == held.end() || (*before)->name() != resource->name()) {
      *response.add_resources() = *resource;
      continue;
    }
    if (*before != resource && (*before)->hash() != resource->hash()) {
      *response.add_resources() = *resource;
    }
    ++before;
  }
  for (; before != held.end(); ++before) response.add_removed((*before)->name());
  return response;
}

v1::DiscoveryResponse Subscription::DifferenceToHeld() const {
  v1::DiscoveryResponse response;
  absl::flat_hash_set<uint64_t> left = *held_;
  for (const SharedResource& resource : newest_->resources) {
    if (left.erase(FingerprintOf(resource->hash())) == 0) *response.add_resources() = *resource;
  }
  response.mutable_removed_held()->Add(left.begin(), left.end());
  return response;
}

}  // namespace apk
