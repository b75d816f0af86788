// What the kernel says of sockets, and who gets which.
#include "data-plane/net/listening_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace apk {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

TEST(ListeningSocket, KnowsWhereItIsBound) {
  asio::io_context io;
  for (const char* const address : {"127.0.0.1", "::1"}) {
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::make_address(address), 0));
    const auto shared = DuplicateListener(acceptor.native_handle());
    ASSERT_TRUE(shared.has_value());
    EXPECT_EQ(shared->address, address);
    EXPECT_EQ(shared->port, acceptor.local_endpoint().port());
    EXPECT_NE(shared->descriptor.get(), acceptor.native_handle());
  }
}

TEST(ListeningSocket, IsNothingElse) {
  asio::io_context io;
  tcp::acceptor bound(io, tcp::v4());
  bound.bind(tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  EXPECT_FALSE(DuplicateListener(bound.native_handle()).has_value());
  const Descriptor local(socket(AF_UNIX, SOCK_STREAM, 0));
  listen(local.get(), 1);
  EXPECT_FALSE(DuplicateListener(local.get()).has_value());
  EXPECT_FALSE(DuplicateListener(0).has_value());
  EXPECT_FALSE(DuplicateListener(-1).has_value());
}

TEST(ListeningSocket, IsTakenByAddressAndPort) {
  std::vector<ListeningSocket> sockets(4);
  for (size_t i = 0; i < sockets.size(); ++i) {
    sockets[i].address = i == 3 ? "127.0.0.2" : "127.0.0.1";
    sockets[i].port = i == 2 ? 81 : 80;
  }
  EXPECT_EQ(TakeListeners(sockets, "127.0.0.1", 80).size(), 2U);
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0].port, 81);
  EXPECT_EQ(sockets[1].address, "127.0.0.2");
  EXPECT_TRUE(TakeListeners(sockets, "127.0.0.1", 80).empty());
}

}  // namespace
}  // namespace apk
