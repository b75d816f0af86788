#include "data-plane/net/send_ring.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

namespace apk {
namespace {

struct Ends {
  Ends() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    writer = Descriptor(ends[0]);
    reader = Descriptor(ends[1]);
  }

  std::string Received() const {
    char bytes[64];
    const ssize_t size = recv(reader.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(bytes, static_cast<size_t>(size));
  }

  Descriptor writer;
  Descriptor reader;
};

TEST(SendRing, SendsEachToItsOwnAndSaysWhatBecameOfIt) {
  const std::unique_ptr<SendRing> ring = SendRing::Open();
  if (ring == nullptr) GTEST_SKIP() << "io_uring is not allowed here";
  std::vector<Ends> ends(SendRing::kMessagesMax);
  const Ends full;
  const std::string much(1 << 20, 'x');
  send(full.writer.get(), much.data(), much.size(), MSG_DONTWAIT);
  const Ends gone;
  shutdown(gone.reader.get(), SHUT_RDWR);
  for (const size_t count : {SendRing::kMessagesMax, size_t{5}, SendRing::kMessagesMax}) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i) texts.push_back("message " + std::to_string(i));
    std::vector<SendRing::Message> messages;
    for (size_t i = 0; i < count; ++i) {
      messages.push_back({.descriptor = ends[i].writer.get(), .bytes = texts[i]});
    }
    messages[1].descriptor = full.writer.get();
    messages[2].descriptor = gone.writer.get();
    messages[3].descriptor = -1;
    EXPECT_TRUE(ring->Send(messages));
    for (size_t i = 0; i < count; ++i) {
      if (i >= 1 && i <= 3) {
        EXPECT_EQ(ends[i].Received(), "nothing");
        continue;
      }
      EXPECT_EQ(messages[i].sent, static_cast<int>(texts[i].size()));
      EXPECT_EQ(ends[i].Received(), texts[i]);
    }
    EXPECT_EQ(messages[1].sent, -EAGAIN);
    EXPECT_EQ(messages[2].sent, -EPIPE);
    EXPECT_EQ(messages[3].sent, -EBADF);
  }
}

}  // namespace
}  // namespace apk
