#include "data-plane/net/resolver.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/udp.hpp>

namespace apk {
namespace {

Task<> ResolveInto(Resolver* resolver, std::string host, TimePoint deadline, Resolution* result) {
  *result = co_await resolver->Resolve(std::move(host), 80, deadline);
}

TEST(Resolver, AnAddressIsItsOwnAnswer) {
  asio::io_context io{1};
  DeadlineList deadlines;
  Resolver resolver(io.get_executor(), deadlines, {"127.0.0.1:1"});
  for (const char* const address : {"192.0.2.1", "::1"}) {
    Resolution result;
    asio::co_spawn(io, ResolveInto(&resolver, address, kNoDeadline, &result), Detached());
    io.restart();
    io.run();
    ASSERT_EQ(result.endpoints.size(), 1u);
    EXPECT_EQ(result.endpoints[0], TcpEndpoint(asio::ip::make_address(address), 80));
  }
}

TEST(Resolver, ItsLoopEndsWhenAllDeadlinesAreExpired) {
  asio::io_context io{1};
  DeadlineList deadlines;
  // A server that takes questions and answers none.
  asio::ip::udp::socket silent(io, asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::string server = Concat("127.0.0.1:", std::to_string(silent.local_endpoint().port()));
  Resolver resolver(io.get_executor(), deadlines, {server});
  Resolution result;
  asio::co_spawn(io, ResolveInto(&resolver, "a.test", kNoDeadline, &result), Detached());
  char question[512];
  silent.async_receive(asio::buffer(question),
                       [&](const boost::system::error_code&, size_t) { deadlines.ExpireAll(); });
  io.run();
  EXPECT_TRUE(result.endpoints.empty());
}

TEST(DnsServer, IsAnAddressWithAPort) {
  EXPECT_TRUE(IsDnsServer("127.0.0.1:53"));
  EXPECT_TRUE(IsDnsServer("[::1]:5353"));
  for (const char* const bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                                "127.0.0.1:5x", "::1:53", "[127.0.0.1]:53", "dns.example:53"}) {
    EXPECT_FALSE(IsDnsServer(bad)) << bad;
  }
}

}  // namespace
}  // namespace apk
