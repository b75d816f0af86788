// Eviction and its accounts.
#include "data-plane/inspector/bin.h"

#include <algorithm>
#include <utility>

namespace apk::inspector {
namespace {

auto LowerBound(const std::deque<CapturedRequest>& requests, uint64_t id) {
  return std::lower_bound(
      requests.begin(), requests.end(), id,
      [](const CapturedRequest& request, uint64_t key) { return request.id < key; });
}

}  // namespace

const CapturedRequest& Bin::Add(CapturedRequest request) {
  request.id = ++received_;
  bytes_ += request.Bytes();
  requests_.push_back(std::move(request));
  while (requests_.size() > 1 &&
         (requests_.size() > limits_.requests_max || bytes_ > limits_.bytes_max)) {
    EvictOldest();
  }
  return requests_.back();
}

const CapturedRequest* Bin::Find(uint64_t id) const {
  const auto found = LowerBound(requests_, id);
  return found != requests_.end() && found->id == id ? &*found : nullptr;
}

bool Bin::Delete(uint64_t id) {
  const auto found = LowerBound(requests_, id);
  if (found == requests_.end() || found->id != id) return false;
  bytes_ -= found->Bytes();
  requests_.erase(found);
  ++generation_;
  return true;
}

void Bin::Clear() {
  requests_.clear();
  bytes_ = 0;
  ++generation_;
}

void Bin::EvictOldest() {
  bytes_ -= requests_.front().Bytes();
  requests_.pop_front();
  ++evicted_;
}

}  // namespace apk::inspector
