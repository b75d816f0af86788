// One map under one lock: accepting a connection costs far more.
#include "data-plane/worker/client_addresses.h"

#include <utility>

namespace apk {
namespace {

std::string KeyOf(const boost::asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const auto bytes = address.to_v6().to_bytes();
  return std::string(bytes.begin(), bytes.begin() + 8);
}

}  // namespace

ClientAddresses::Place::Place(Place&& other) noexcept
    : addresses_(std::exchange(other.addresses_, nullptr)),
      key_(std::move(other.key_)),
      taken_(other.taken_) {}

ClientAddresses::Place::~Place() {
  if (addresses_ == nullptr) return;
  const std::lock_guard lock(addresses_->mutex_);
  const auto found = addresses_->connections_.find(key_);
  if (--found->second == 0) addresses_->connections_.erase(found);
}

ClientAddresses::Place ClientAddresses::Take(const boost::asio::ip::address& address) {
  Place place;
  place.taken_ = true;
  if (connections_max_ == 0) return place;
  place.key_ = KeyOf(address);
  const std::lock_guard lock(mutex_);
  size_t& count = connections_[place.key_];
  place.taken_ = count < connections_max_;
  if (!place.taken_) return place;
  ++count;
  place.addresses_ = this;
  return place;
}

}  // namespace apk
