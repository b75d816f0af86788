// Differences are taken against what this stream saw acknowledged, or the agent
// told; anything else gets the whole.
#include "control-plane/discovery/subscription.h"

#include <absl/container/flat_hash_set.h>

#include "common/snapshot_version.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kRefusedMax = 64;
constexpr int kHeldMax = 1'000'000;  // Resources.

// Against what an agent said that it holds.
Difference DifferenceToHeld(const std::vector<uint64_t>& held, const SharedSnapshot& newest) {
  Difference difference;
  absl::flat_hash_set<uint64_t> left(held.begin(), held.end());
  for (const SharedResource& resource : newest.resources) {
    if (left.erase(FingerprintOf(resource->hash())) == 0) difference.resources.push_back(resource);
  }
  difference.removed_held.assign(left.begin(), left.end());
  return difference;
}

std::string DigestOf(const std::vector<uint64_t>& fingerprints) {
  ShortDigest digest;
  digest.Add(
      {reinterpret_cast<const char*>(fingerprints.data()), fingerprints.size() * sizeof(uint64_t)});
  return digest.Finish();
}

}  // namespace

std::optional<OutgoingResponse> Subscription::OnHello(const v1::DiscoveryRequest& request,
                                                      const SnapshotPtr& newest) {
  takes_parts_ = request.can_take_parts();
  acknowledged_ = request.version();
  newest_ = newest;
  if (newest->version == acknowledged_) base_ = newest;
  can_tell_held_ = request.can_tell_held() && !acknowledged_.empty();
  return SendIfDue();
}

OutgoingResponse Subscription::Ask() {
  asked_ = true;
  OutgoingResponse response;
  response.rest.set_nonce(std::to_string(++last_nonce_));
  response.rest.set_held_wanted(true);
  return response;
}

std::optional<OutgoingResponse> Subscription::OnPublish(const SnapshotPtr& newest) {
  newest_ = newest;
  return SendIfDue();
}

Subscription::Answer Subscription::OnAnswer(const v1::DiscoveryRequest& request) {
  Answer answer;
  if (asked_ && request.has_held() && request.response_nonce() == std::to_string(last_nonce_)) {
    asked_ = false;
    const auto& fingerprints = request.held().fingerprints();
    if (fingerprints.size() > kHeldMax) {  // Nobody holds so many: it gets the whole.
      whole_wanted_ = true;
      answer.told = true;
      answer.next = SendIfDue();
      return answer;
    }
    held_.emplace();
    held_->fingerprints.assign(fingerprints.begin(), fingerprints.end());
    held_->digest = DigestOf(held_->fingerprints);
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
    whole_wanted_ = false;
  } else if (request.whole_wanted() && !in_flight_whole_) {
    base_ = nullptr;
    whole_wanted_ = true;
    answer.again = true;
  } else {
    if (refused_.size() == kRefusedMax) refused_.clear();
    refused_.insert(in_flight_->version);
  }
  in_flight_ = nullptr;
  answer.next = SendIfDue();
  return answer;
}

std::optional<OutgoingResponse> Subscription::SendIfDue() {
  if (in_flight_ != nullptr || asked_ || newest_ == nullptr || newest_->version.empty()) {
    return std::nullopt;
  }
  if (newest_->version == acknowledged_ || refused_.contains(newest_->version)) {
    return std::nullopt;
  }
  const bool ask = base_ == nullptr && can_tell_held_ && !whole_wanted_;
  if (ask && !held_.has_value()) return Ask();
  in_flight_ = newest_;
  in_flight_whole_ = base_ == nullptr && !held_.has_value();
  OutgoingResponse response;
  response.difference = DifferenceToNewest();
  held_.reset();
  v1::DiscoveryResponse& rest = response.rest;
  rest.set_full(in_flight_whole_);
  rest.set_nonce(std::to_string(++last_nonce_));
  rest.set_version(newest_->version);
  rest.set_revision(newest_->revision);
  rest.set_store(store_);
  return response;
}

// Versions are digests, so that they stand for what they are of.
EncodedDifferencePtr Subscription::DifferenceToNewest() {
  std::string from = "nothing";
  if (base_ != nullptr) {
    from = base_->version;
  } else if (held_.has_value()) {
    from = Concat("held ", held_->digest);
  }
  const std::string key = Concat(takes_parts_ ? "parts\n" : "one\n", from, "\n", newest_->version);
  return differences_.Get(key, [this] {
    const bool told = base_ == nullptr && held_.has_value();
    return Encode(told ? DifferenceToHeld(held_->fingerprints, *newest_)
                       : DifferenceBetween(base_.get(), *newest_),
                  takes_parts_);
  });
}

}  // namespace apk
