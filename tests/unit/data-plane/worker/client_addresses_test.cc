#include "data-plane/worker/client_addresses.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace apk {
namespace {

using boost::asio::ip::make_address;

TEST(ClientAddresses, EachHasItsShareAndGivesItBack) {
  ClientAddresses addresses(2);
  std::optional<ClientAddresses::Place> first(addresses.Take(make_address("192.0.2.1")));
  const ClientAddresses::Place second = addresses.Take(make_address("192.0.2.1"));
  EXPECT_TRUE(*first && second);
  EXPECT_FALSE(addresses.Take(make_address("192.0.2.1")));
  EXPECT_FALSE(addresses.Take(make_address("192.0.2.1")));  // What was refused is not counted.
  EXPECT_TRUE(addresses.Take(make_address("192.0.2.2")));
  const ClientAddresses::Place moved = *std::move(first);
  first.reset();
  EXPECT_TRUE(moved);
  EXPECT_FALSE(addresses.Take(make_address("192.0.2.1")));
}

TEST(ClientAddresses, APlaceThatIsGoneIsFree) {
  ClientAddresses addresses(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(addresses.Take(make_address("192.0.2.1")));
}

TEST(ClientAddresses, IPv6ClientsAreKnownByTheirNetwork) {
  ClientAddresses addresses(1);
  const ClientAddresses::Place place = addresses.Take(make_address("2001:db8:0:1::1"));
  EXPECT_TRUE(place);
  EXPECT_FALSE(addresses.Take(make_address("2001:db8:0:1:ffff::2")));
  EXPECT_TRUE(addresses.Take(make_address("2001:db8:0:2::1")));
}

TEST(ClientAddresses, ZeroIsNoLimit) {
  ClientAddresses addresses(0);
  const ClientAddresses::Place first = addresses.Take(make_address("192.0.2.1"));
  EXPECT_TRUE(first && addresses.Take(make_address("192.0.2.1")));
}

}  // namespace
}  // namespace apk
