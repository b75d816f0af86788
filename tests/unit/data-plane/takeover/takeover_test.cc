// Both sides of a takeover in one process, and peers that do something else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>

#include "data-plane/takeover/packet_socket.h"
#include "data-plane/takeover/predecessor.h"
#include "data-plane/takeover/successor_door.h"

namespace apk {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Message = v1::TakeOverMessage;

class TakeoverTest : public testing::Test {
 protected:
  TakeoverTest() : directory_(testing::TempDir() + "takeover-" + std::to_string(getpid())) {
    std::filesystem::create_directory(directory_);
  }
  ~TakeoverTest() override {
    door_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open(size_t listeners = 1) {
    HandingOver handing_over;
    handing_over.open =
        [this, listeners](const v1::TakeOverHello& hello) -> absl::StatusOr<HandingOver::Estate> {
      if (hello.agent() != "agent") return absl::FailedPreconditionError("another name");
      HandingOver::Estate estate;
      estate.offer.set_version("1");
      estate.offer.set_snapshot_version("abc");
      estate.descriptors.emplace_back(v1::TakeOverDescriptors::DIRECTORY_LOCK,
                                      Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)));
      for (size_t i = 0; i < listeners; ++i) {
        estate.descriptors.emplace_back(
            v1::TakeOverDescriptors::LISTENER,
            std::move(DuplicateListener(acceptor_.native_handle())->descriptor));
      }
      estate.descriptors.emplace_back(
          v1::TakeOverDescriptors::ADMIN,
          std::move(DuplicateListener(acceptor_.native_handle())->descriptor));
      return estate;
    };
    handing_over.withdraw = [this] { ++withdrawn_; };
    handing_over.done = [this](pid_t successor) {
      done_ = successor;
      Changed();
    };
    handing_over.resume = [this](const absl::Status&) {
      ++resumed_;
      Changed();
    };
    door_ = std::make_unique<SuccessorDoor>(TakeOverPath(directory_), std::move(handing_over));
    ASSERT_TRUE(door_->Open().ok());
    door_->Start();
  }

  void Changed() {
    ++changes_;
    changes_.notify_all();
  }
  void WaitForChange() { changes_.wait(0); }

  absl::StatusOr<Predecessor> Ask() { return Predecessor::Ask(directory_, "agent", "2"); }

  const std::string directory_;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::atomic<int> withdrawn_{0};
  std::atomic<int> resumed_{0};
  std::atomic<int> done_{0};
  std::atomic<int> changes_{0};
  std::unique_ptr<SuccessorDoor> door_;
};

TEST_F(TakeoverTest, GivesAllOfIt) {
  Open(450);  // More than one message has room for.
  absl::StatusOr<Predecessor> predecessor = Ask();
  ASSERT_TRUE(predecessor.ok()) << predecessor.status();
  const Inheritance& inheritance = predecessor->inheritance();
  EXPECT_EQ(inheritance.version, "1");
  EXPECT_EQ(inheritance.snapshot_version, "abc");
  EXPECT_TRUE(bool(inheritance.lock));
  ASSERT_EQ(inheritance.listeners.size(), 450U);
  EXPECT_EQ(inheritance.listeners[449].port, acceptor_.local_endpoint().port());
  ASSERT_TRUE(inheritance.admin.has_value());
  EXPECT_EQ(withdrawn_, 0);
  EXPECT_TRUE(predecessor->Replace().ok());
  WaitForChange();
  EXPECT_EQ(withdrawn_, 1);
  EXPECT_EQ(done_, getpid());
  EXPECT_EQ(resumed_, 0);
}

TEST_F(TakeoverTest, TellsWhyNot) {
  Open();
  const absl::StatusOr<Predecessor> predecessor = Predecessor::Ask(directory_, "somebody", "2");
  EXPECT_NE(predecessor.status().message().find("another name"), absl::string_view::npos);
  EXPECT_TRUE(Ask().ok());
}

TEST_F(TakeoverTest, GoesOnWhereTheSuccessorGoes) {
  Open();
  { const absl::StatusOr<Predecessor> predecessor = Ask(); }
  WaitForChange();
  EXPECT_EQ(resumed_, 1);
  EXPECT_EQ(withdrawn_, 0);
  EXPECT_TRUE(Ask().ok());
}

TEST_F(TakeoverTest, EndsWithTheAgent) {
  Open();
  absl::StatusOr<Predecessor> predecessor = Ask();
  ASSERT_TRUE(predecessor.ok());
  door_.reset();
  EXPECT_EQ(resumed_, 1);
  EXPECT_FALSE(predecessor->Replace().ok());
  EXPECT_FALSE(Ask().ok());
}

TEST_F(TakeoverTest, TakesNoticeOfWhatIsNoMessage) {
  Open();
  absl::StatusOr<PacketSocket> socket = PacketSocket::Connect(TakeOverPath(directory_));
  ASSERT_TRUE(socket.ok());
  Message serving;
  serving.mutable_serving();
  ASSERT_TRUE(socket->Send(serving).ok());  // Without a hello.
  EXPECT_TRUE(absl::IsUnavailable(socket->Receive(std::chrono::seconds(30)).status()));
  EXPECT_TRUE(Ask().ok());
}

TEST_F(TakeoverTest, NeedsAPathThatASocketCanHave) {
  const std::string path = directory_ + "/" + std::string(120, 'x');
  EXPECT_TRUE(absl::IsInvalidArgument(PacketSocket::Listen(path).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(PacketSocket::Connect(path).status()));
}

TEST(TicketKeyMessages, GoAndCome) {
  TicketKeys keys;
  const TimePoint now = std::chrono::steady_clock::now();
  keys.Current(now);
  keys.Current(now + std::chrono::hours(12));
  const TicketKeys::State state = *keys.Export(now + std::chrono::hours(13));
  const std::optional<TicketKeys::State> decoded = DecodeTicketKeys(EncodeTicketKeys(state));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->current.mac_key, state.current.mac_key);
  EXPECT_EQ(decoded->previous->name, state.previous->name);
  EXPECT_EQ(decoded->age, std::chrono::hours(1));
  EXPECT_FALSE(DecodeTicketKeys({}).has_value());
}

TEST_F(TakeoverTest, AnAgentThatAcceptsNobodyIsNotWaitedForWithoutEnd) {
  const auto listening = PacketSocket::Listen(TakeOverPath(directory_));
  ASSERT_TRUE(listening.ok());
  std::vector<PacketSocket> waiting;
  absl::Status status;
  while (status.ok() && waiting.size() < 100) {
    auto connected = PacketSocket::Connect(TakeOverPath(directory_));
    status = connected.status();
    if (connected.ok()) waiting.push_back(*std::move(connected));
  }
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace apk
