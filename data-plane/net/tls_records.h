// A TLS 1.3 connection after its handshake, as bytes in and bytes out: what OpenSSL keeps for it
// costs 13 KiB, this some hundred bytes while nothing comes. Does not wait, and knows no socket.
// Used by one thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/record_cipher.h"

namespace apk {

// What the handshake has agreed on. The secrets are as long as the suite's digest.
struct TrafficSecrets {
  TrafficSecrets() = default;
  ~TrafficSecrets();
  TrafficSecrets(const TrafficSecrets&) = delete;
  TrafficSecrets& operator=(const TrafficSecrets&) = delete;

  void Clear();

  std::string client;  // "" until it is known.
  std::string server;
  uint64_t records_written = 0;  // With the latter, by OpenSSL: tickets.
};

// The server's side of it.
class TlsRecords {
 public:
  // `received`: what was read off the connection after the handshake, at most kReceivedMax.
  static constexpr size_t kReceivedMax = RecordCipher::kPlainBytesMax;
  TlsRecords(const RecordSuite& suite, const TrafficSecrets& secrets, std::string_view received);

  // Reading. Space takes what the connection brings, Commit says how much that was; Advance then
  // looks at it: kData: data() is what comes next; kEnded: the peer has closed its side; kFailed:
  // it broke the rules.
  enum class State : uint8_t { kMore, kData, kEnded, kFailed };
  // REQUIRES: Advance has said kMore.
  struct Space {
    char* data;
    size_t size;
  };
  Space Prepare();
  void Commit(size_t bytes) { end_ += bytes; }
  State Advance();
  std::string_view data() const {
    return std::string_view(buffer_.get() + plain_begin_, plain_end_ - plain_begin_);
  }
  void Consume(size_t bytes);
  // Nothing was read that was not looked at.
  bool empty() const { return plain_begin_ == plain_end_ && begin_ == end_; }

  // Appends what has to be sent because of what was read: alerts, new keys.
  void TakeReply(std::string& out);

  // Appends one record of what `buffers` begins with; how many bytes that are, 0 where OpenSSL
  // fails. What the peer has asked for comes first (RFC 8446 4.6.3). REQUIRES: there are some.
  size_t Seal(const WriteBuffers& buffers, std::string& out);
  // Appends that nothing more will be written.
  void SealGoodbye(std::string& out);

  // Gives back what can be made again: call where nothing is to be done for a while.
  void Rest();

 private:
  void GiveBackIfEmpty();
  State Fail(uint8_t alert);
  // kMore: go on.
  State Take(const RecordCipher::Opened& record);
  State TakeAlert(std::string_view content);
  State TakeHandshake(std::string_view content);
  // Appends that the next record is sealed with the next secret.
  bool UpdateKeys(std::string& out);
  void SealAlert(uint8_t level, uint8_t alert, std::string& out);

  RecordCipher reader_;
  RecordCipher writer_;
  std::unique_ptr<char[]> buffer_;  // Only while something is in it.
  size_t plain_begin_ = 0;          // Of what is opened; all of it is before what is not.
  size_t plain_end_ = 0;
  size_t begin_ = 0;  // Of what is not.
  size_t end_ = 0;
  std::string message_;     // As far as it has come, where a handshake message is divided.
  int silent_records_ = 0;  // In a row, that brought nothing to read.
  uint8_t alert_ = 0;       // To be sent.
  bool update_wanted_ = false;
  State state_ = State::kMore;
};

}  // namespace apk
