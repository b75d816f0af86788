// The client is made of the same ciphers, which have their own test; tls_stream_test has OpenSSL's.
#include "data-plane/net/tls_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

namespace apk {
namespace {

using State = TlsRecords::State;

const std::string kData = "\x17";  // The type of records of data.
constexpr char kNewKeys[] = {24, 0, 0, 1, 0};
constexpr char kNewKeysOfBoth[] = {24, 0, 0, 1, 1};

std::string_view View(const char (&message)[5]) { return {message, sizeof message}; }

class TlsRecordsTest : public testing::Test {
 protected:
  TlsRecordsTest() { Begin(); }

  // Both sides anew. `written`: by OpenSSL.
  void Begin(uint64_t written = 0) {
    secrets_.client = std::string(32, 'c');
    secrets_.server = std::string(32, 's');
    secrets_.records_written = written;
    records_.emplace(suite_, secrets_, "");
    writer_.emplace(suite_, RecordCipher::Direction::kSeal, secrets_.client, 0);
    reader_.emplace(suite_, RecordCipher::Direction::kOpen, secrets_.server, written);
  }

  std::string FromClient(ContentType type, std::string_view content) {
    std::string out;
    const std::string_view parts[] = {content};
    EXPECT_TRUE(writer_->Seal(type, parts, out));
    return out;
  }

  // What is read of these bytes, as they come in pieces of `piece`.
  std::string Read(std::string_view bytes, size_t piece = 100'000) {
    std::string read;
    for (;;) {
      state_ = records_->Advance();
      if (state_ == State::kData) {
        // By halves, as a reader with little room.
        const size_t size = (records_->data().size() + 1) / 2;
        read.append(records_->data().substr(0, size));
        records_->Consume(size);
        continue;
      }
      if (state_ != State::kMore || bytes.empty()) return read;
      const TlsRecords::Space space = records_->Prepare();
      const size_t size = std::min({space.size, piece, bytes.size()});
      std::memcpy(space.data, bytes.data(), size);
      records_->Commit(size);
      bytes.remove_prefix(size);
    }
  }

  // Types and contents of the records, as the client opens them.
  std::string Opened(std::string bytes) {
    std::string all;
    for (size_t at = 0; at < bytes.size();) {
      const auto size = 5 + static_cast<size_t>(static_cast<unsigned char>(bytes[at + 3]) << 8 |
                                                static_cast<unsigned char>(bytes[at + 4]));
      const auto opened = reader_->Open(std::span<char>(bytes).subspan(at, size));
      if (!opened.has_value()) return all + "?";
      all += static_cast<char>(opened->type);
      all += opened->content;
      if (opened->type == 22) reader_->Update();
      at += size;
    }
    return all;
  }

  std::string Reply() {
    std::string out;
    records_->TakeReply(out);
    return Opened(std::move(out));
  }

  std::string Written(std::vector<std::string_view> parts) {
    WriteBuffers buffers;
    for (const std::string_view part : parts) buffers.Add(part);
    std::string out;
    while (buffers.count > 0) {
      const size_t sealed = records_->Seal(buffers, out);
      EXPECT_GT(sealed, 0u);
      buffers.Consume(sealed);
    }
    return Opened(std::move(out));
  }

  static std::string Alert(char number) { return {21, 2, number}; }

  const RecordSuite& suite_ = *FindRecordSuite(0x1301);
  TrafficSecrets secrets_;
  std::optional<TlsRecords> records_;
  std::optional<RecordCipher> writer_;  // Of the client.
  std::optional<RecordCipher> reader_;
  State state_ = State::kMore;
};

TEST_F(TlsRecordsTest, ReadsWhatComesInPieces) {
  std::string bytes = FromClient(ContentType::kApplicationData, "one ");
  bytes += FromClient(ContentType::kApplicationData, "");
  bytes += FromClient(ContentType::kApplicationData, std::string(16 * 1024, 'x'));
  bytes += FromClient(ContentType::kApplicationData, " three");
  size_t first = 0;
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{16'000}, size_t{100'000}}) {
    records_.emplace(suite_, secrets_, bytes.substr(0, first));
    EXPECT_EQ(Read(std::string_view(bytes).substr(first), piece),
              "one " + std::string(16 * 1024, 'x') + " three");
    EXPECT_EQ(state_, State::kMore);
    EXPECT_TRUE(records_->empty());
    EXPECT_EQ(Reply(), "");
    first += 13;
  }
}

TEST_F(TlsRecordsTest, WritesRecordsThatAreFull) {
  const std::string much(20'000, 'x');
  EXPECT_EQ(Written({"a", much, "b"}), kData + "a" + std::string(16 * 1024 - 1, 'x') + kData +
                                           std::string(20'000 - 16 * 1024 + 1, 'x') + "b");
  records_->Rest();
  EXPECT_EQ(Written({"c"}), kData + "c");
}

TEST_F(TlsRecordsTest, AnswersAWishForNewKeysBeforeItWritesMore) {
  std::string bytes = FromClient(ContentType::kHandshake, View(kNewKeysOfBoth));
  writer_->Update();
  bytes += FromClient(ContentType::kApplicationData, "x");
  EXPECT_EQ(Read(bytes), "x");
  EXPECT_EQ(Written({"y"}), "\x16" + std::string(View(kNewKeys)) + kData + "y");
  EXPECT_EQ(Reply(), "");
}

TEST_F(TlsRecordsTest, GoesOnWithNewKeys) {
  std::string bytes = FromClient(ContentType::kHandshake, View(kNewKeys));
  writer_->Update();
  bytes += FromClient(ContentType::kApplicationData, "x");
  EXPECT_EQ(Read(bytes), "x");
  EXPECT_EQ(Reply(), "");
  // Where it is asked for its own, it says so, once for all, and goes on with them.
  bytes = FromClient(ContentType::kHandshake, View(kNewKeysOfBoth));
  writer_->Update();
  bytes += FromClient(ContentType::kHandshake, View(kNewKeysOfBoth).substr(0, 2));
  bytes += FromClient(ContentType::kHandshake, View(kNewKeysOfBoth).substr(2));
  writer_->Update();
  records_->Rest();
  bytes += FromClient(ContentType::kApplicationData, "y");
  EXPECT_EQ(Read(bytes), "y");
  EXPECT_EQ(Reply(), "\x16" + std::string(View(kNewKeys)));
  EXPECT_EQ(Written({"z"}), kData + "z");
}

TEST_F(TlsRecordsTest, EndsWithAGoodbye) {
  std::string bytes = FromClient(ContentType::kAlert, {"\1\x5a", 2});  // Cancelled by the user.
  bytes += FromClient(ContentType::kAlert, {"\1\0", 2});
  bytes += FromClient(ContentType::kApplicationData, "x");
  EXPECT_EQ(Read(bytes), "");
  EXPECT_EQ(state_, State::kEnded);
  EXPECT_EQ(records_->Advance(), State::kEnded);
  EXPECT_EQ(Reply(), "");
  std::string goodbye;
  records_->SealGoodbye(goodbye);
  EXPECT_EQ(Opened(goodbye), std::string("\x15\1\0", 3));
}

TEST_F(TlsRecordsTest, AnAlertOfThePeerIsNotAnswered) {
  Read(FromClient(ContentType::kAlert, {"\2\x14", 2}));
  EXPECT_EQ(state_, State::kFailed);
  EXPECT_EQ(Reply(), "");
}

TEST_F(TlsRecordsTest, SaysWhatIsWrong) {
  const auto sealed = [this](ContentType type, std::string_view content) {
    return FromClient(type, content);
  };
  const auto after_a_part = [this](ContentType type) {
    std::string bytes = FromClient(ContentType::kHandshake, View(kNewKeys).substr(0, 3));
    return bytes += FromClient(type, "");
  };
  struct Case {
    const char* what;
    std::function<std::string()> bytes;
    char alert;
  };
  const Case cases[] = {
      {"forged", [&] { return std::string("\x17\3\3\0\x20", 5) + std::string(32, 'f'); }, 20},
      {"too short", [] { return std::string("\x17\3\3\0\x10", 5) + std::string(16, 'f'); }, 20},
      {"too long", [] { return std::string("\x17\3\3\x41\1", 5); }, 22},
      {"more than 16 KiB in it",
       [&] { return sealed(ContentType::kApplicationData, std::string(16 * 1024 + 1, 'x')); }, 22},
      {"in clear", [] { return std::string("\x15\3\3\0\2\1\0", 7); }, 10},
      {"a change of ciphers", [] { return std::string("\x14\3\3\0\1\1", 6); }, 10},
      {"another type", [&] { return sealed(ContentType{20}, "\1"); }, 10},
      {"nothing but padding", [&] { return sealed(ContentType{0}, ""); }, 10},
      {"an alert of three bytes", [&] { return sealed(ContentType::kAlert, "\1\1\1"); }, 50},
      {"an empty handshake", [&] { return sealed(ContentType::kHandshake, ""); }, 10},
      {"another message",
       [&] { return sealed(ContentType::kHandshake, std::string("\1\0\0\1\0", 5)); }, 10},
      {"new keys, and more",
       [&] { return sealed(ContentType::kHandshake, std::string(View(kNewKeys)) + "\x18"); }, 10},
      {"neither 0 nor 1",
       [&] { return sealed(ContentType::kHandshake, std::string("\x18\0\0\1\2", 5)); }, 47},
      {"data within a message", [&] { return after_a_part(ContentType::kApplicationData); }, 10},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(wrong.what);
    Begin();
    EXPECT_EQ(Read(wrong.bytes()), "");
    EXPECT_EQ(state_, State::kFailed);
    EXPECT_EQ(Reply(), Alert(wrong.alert));
    EXPECT_EQ(Reply(), "");
  }
}

TEST_F(TlsRecordsTest, APeerThatSaysNothingAllTheTimeIsLeft) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes += FromClient(ContentType::kApplicationData, "");
  bytes += FromClient(ContentType::kApplicationData, "x");
  EXPECT_EQ(Read(bytes), "x");
  bytes.clear();
  for (int i = 0; i < 33; ++i) {
    bytes += FromClient(ContentType::kHandshake, View(kNewKeys));
    writer_->Update();
  }
  EXPECT_EQ(Read(bytes), "");
  EXPECT_EQ(state_, State::kFailed);
}

TEST_F(TlsRecordsTest, AKeyIsNotUsedForEver) {
  Begin((1 << 23) - 1);
  EXPECT_EQ(Written({"a"}), kData + "a");
  EXPECT_EQ(Written({"b"}), "\x16" + std::string(View(kNewKeys)) + kData + "b");
  EXPECT_EQ(Written({"c"}), kData + "c");
}

}  // namespace
}  // namespace apk
