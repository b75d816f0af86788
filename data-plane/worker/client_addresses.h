// How many connections each client's address has, over all workers of an agent. Thread-safe; locked
// twice a connection, never for a request.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <mutex>
#include <string>

#include "common/strings.h"

namespace apk {

class ClientAddresses {
 public:
  // `connections_max` of one address; 0: no limit. An IPv6 client is known by its first 64 bits,
  // the least that a site has.
  explicit ClientAddresses(size_t connections_max) : connections_max_(connections_max) {}

  // One connection of an address, for as long as it lives.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&&) = delete;
    ~Place();

    explicit operator bool() const { return taken_; }

   private:
    friend class ClientAddresses;
    ClientAddresses* addresses_ = nullptr;  // nullptr: nothing to give back.
    std::string key_;
    bool taken_ = false;
  };

  // False where the address has all the connections that it may have. The place may not outlive
  // this object.
  Place Take(const boost::asio::ip::address& address);

 private:
  const size_t connections_max_;
  std::mutex mutex_;
  StringMap<size_t> connections_;
};

}  // namespace apk
