// Differences are taken against what this stream saw acknowledged; anything else gets the whole.
#include "control-plane/discovery/subscription.h"

#include <map>

namespace apk {
namespace {

constexpr size_t kRefusedMax = 64;

}  // namespace

std::optional<v1::DiscoveryResponse> Subscription::OnHello(const v1::DiscoveryRequest& request,
                                                           const SnapshotPtr& newest) {
  acknowledged_ = request.version();
  newest_ = newest;
  if (newest->version() == acknowledged_) base_ = newest;
  return SendIfDue();
}

std::optional<v1::DiscoveryResponse> Subscription::OnPublish(const SnapshotPtr& newest) {
  newest_ = newest;
  return SendIfDue();
}

Subscription::Answer Subscription::OnAnswer(const v1::DiscoveryRequest& request) {
  Answer answer;
  if (in_flight_ == nullptr || request.response_nonce() != std::to_string(last_nonce_)) {
    answer.stale = true;
    return answer;
  }
  answer.accepted = request.error().empty();
  if (answer.accepted) {
    base_ = in_flight_;
    acknowledged_ = in_flight_->version();
  } else {
    if (refused_.size() == kRefusedMax) refused_.clear();
    refused_.insert(in_flight_->version());
  }
  in_flight_ = nullptr;
  answer.next = SendIfDue();
  return answer;
}

std::optional<v1::DiscoveryResponse> Subscription::SendIfDue() {
  if (in_flight_ != nullptr || newest_ == nullptr || newest_->version().empty())
    return std::nullopt;
  if (newest_->version() == acknowledged_ || refused_.contains(newest_->version())) {
    return std::nullopt;
  }
  in_flight_ = newest_;
  v1::DiscoveryResponse response = Difference();
  response.set_nonce(std::to_string(++last_nonce_));
  response.set_version(newest_->version());
  response.set_revision(newest_->revision());
  return response;
}

v1::DiscoveryResponse Subscription::Difference() const {
  v1::DiscoveryResponse response;
  if (base_ == nullptr) {
    response.set_full(true);
    *response.mutable_resources() = newest_->resources();
    return response;
  }
  std::map<std::string, const v1::SnapshotResource*> held;
  for (const v1::SnapshotResource& resource : base_->resources()) held[resource.name()] = &resource;
  for (const v1::SnapshotResource& resource : newest_->resources()) {
    const auto found = held.find(resource.name());
    if (found == held.end() || found->second->hash() != resource.hash()) {
      *response.add_resources() = resource;
    }
    if (found != held.end()) held.erase(found);
  }
  for (const auto& [name, resource] : held) response.add_removed(name);
  return response;
}

}  // namespace apk
