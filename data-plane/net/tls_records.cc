// RFC 8446: 4.6.3 (key updates), 5 (records), 6 (alerts).
#include "data-plane/net/tls_records.h"

#include <openssl/crypto.h>
#include <openssl/ssl3.h>
#include <openssl/tls1.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace apk {
namespace {

constexpr size_t kBufferBytes = RecordCipher::kHeaderBytes + RecordCipher::kSealedBytesMax;
// A peer that sends nothing but empty records and new keys only wants to keep us busy.
constexpr int kSilentRecordsMax = 32;
// AES-GCM is safe for 2^24.5 full records of one key (RFC 8446 5.5).
constexpr uint64_t kRecordsOfOneKeyMax = uint64_t{1} << 23;

constexpr char kKeyUpdate[] = {24, 0, 0, 1};  // And whether the peer is to do the same.

// One for the thread: most connections give theirs back before the next one needs it.
std::unique_ptr<char[]>& SpareBuffer() {
  static thread_local std::unique_ptr<char[]> spare;
  return spare;
}

std::unique_ptr<char[]> TakeBuffer() {
  if (SpareBuffer() != nullptr) return std::move(SpareBuffer());
  return std::unique_ptr<char[]>(new char[kBufferBytes]);
}

void GiveBack(std::unique_ptr<char[]> buffer) {
  if (SpareBuffer() == nullptr) SpareBuffer() = std::move(buffer);
}

}  // namespace

TrafficSecrets::~TrafficSecrets() { Clear(); }

void TrafficSecrets::Clear() {
  for (std::string* const secret : {&client, &server}) {
    OPENSSL_cleanse(secret->data(), secret->size());
    secret->clear();
  }
}

TlsRecords::TlsRecords(const RecordSuite& suite, const TrafficSecrets& secrets,
                       std::string_view received)
    : reader_(suite, RecordCipher::Direction::kOpen, secrets.client, 0),
      writer_(suite, RecordCipher::Direction::kSeal, secrets.server, secrets.records_written) {
  if (received.empty()) return;
  const Space space = Prepare();
  std::copy(received.begin(), received.end(), space.data);
  Commit(received.size());
}

TlsRecords::Space TlsRecords::Prepare() {
  if (buffer_ == nullptr) buffer_ = TakeBuffer();
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    plain_begin_ = plain_end_ = 0;
  }
  return Space{buffer_.get() + end_, kBufferBytes - end_};
}

void TlsRecords::Consume(size_t bytes) {
  plain_begin_ += bytes;
  GiveBackIfEmpty();
}

void TlsRecords::GiveBackIfEmpty() {
  if (!empty() || buffer_ == nullptr) return;
  begin_ = end_ = plain_begin_ = plain_end_ = 0;
  GiveBack(std::move(buffer_));
}

TlsRecords::State TlsRecords::Advance() {
  if (plain_begin_ < plain_end_) return State::kData;
  while (state_ == State::kMore) {
    const size_t size = end_ - begin_;
    if (size < RecordCipher::kHeaderBytes) break;
    const auto* const header = reinterpret_cast<const unsigned char*>(buffer_.get() + begin_);
    const size_t announced = static_cast<size_t>(header[3] << 8 | header[4]);
    if (header[0] != SSL3_RT_APPLICATION_DATA) return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
    if (announced > RecordCipher::kSealedBytesMax) return Fail(TLS1_AD_RECORD_OVERFLOW);
    if (size < RecordCipher::kHeaderBytes + announced) break;
    const std::span<char> record(buffer_.get() + begin_, RecordCipher::kHeaderBytes + announced);
    begin_ += record.size();
    const std::optional<RecordCipher::Opened> opened = reader_.Open(record);
    if (!opened.has_value()) return Fail(SSL3_AD_BAD_RECORD_MAC);
    if (opened->content.size() > RecordCipher::kPlainBytesMax) return Fail(TLS1_AD_RECORD_OVERFLOW);
    const State state = Take(*opened);
    if (state == State::kData) return state;
    if (state == State::kMore && ++silent_records_ > kSilentRecordsMax) {
      return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
    }
  }
  GiveBackIfEmpty();
  return state_;
}

TlsRecords::State TlsRecords::Take(const RecordCipher::Opened& record) {
  const auto type = static_cast<ContentType>(record.type);
  // Between the parts of a message there is nothing else.
  if (!message_.empty() && type != ContentType::kHandshake) return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
  switch (type) {
    case ContentType::kApplicationData:
      if (record.content.empty()) return State::kMore;
      silent_records_ = 0;
      plain_begin_ = static_cast<size_t>(record.content.data() - buffer_.get());
      plain_end_ = plain_begin_ + record.content.size();
      return State::kData;
    case ContentType::kAlert:
      return TakeAlert(record.content);
    case ContentType::kHandshake:
      return TakeHandshake(record.content);
  }
  return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
}

TlsRecords::State TlsRecords::TakeAlert(std::string_view content) {
  if (content.size() != 2) return Fail(TLS1_AD_DECODE_ERROR);
  const auto alert = static_cast<uint8_t>(content[1]);
  if (alert == TLS1_AD_USER_CANCELLED) return State::kMore;  // A goodbye follows.
  return state_ = alert == SSL3_AD_CLOSE_NOTIFY ? State::kEnded : State::kFailed;
}

// Of what may come after a handshake, a client that was asked for nothing sends new keys only. They
// are the last in their record, since what follows is sealed with them.
TlsRecords::State TlsRecords::TakeHandshake(std::string_view content) {
  constexpr size_t kMessageBytes = sizeof kKeyUpdate + 1;
  if (content.empty() || message_.size() + content.size() > kMessageBytes) {
    return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
  }
  message_.append(content);
  const size_t known = std::min(message_.size(), sizeof kKeyUpdate);
  if (std::memcmp(message_.data(), kKeyUpdate, known) != 0) return Fail(SSL3_AD_UNEXPECTED_MESSAGE);
  if (message_.size() < kMessageBytes) return State::kMore;
  const char asked = message_.back();
  message_.clear();
  if (asked != 0 && asked != 1) return Fail(SSL3_AD_ILLEGAL_PARAMETER);
  if (!reader_.Update()) return Fail(TLS1_AD_INTERNAL_ERROR);
  if (asked == 1) update_wanted_ = true;
  return State::kMore;
}

TlsRecords::State TlsRecords::Fail(uint8_t alert) {
  alert_ = alert;
  return state_ = State::kFailed;
}

void TlsRecords::TakeReply(std::string& out) {
  if (std::exchange(update_wanted_, false)) UpdateKeys(out);
  if (const uint8_t alert = std::exchange(alert_, 0); alert != 0) {
    SealAlert(SSL3_AL_FATAL, alert, out);
  }
}

bool TlsRecords::UpdateKeys(std::string& out) {
  const std::string_view message[] = {{kKeyUpdate, sizeof kKeyUpdate}, {"\0", 1}};
  return writer_.Seal(ContentType::kHandshake, message, out) && writer_.Update();
}

size_t TlsRecords::Seal(const WriteBuffers& buffers, std::string& out) {
  const bool old = writer_.sequence() >= kRecordsOfOneKeyMax;
  if ((std::exchange(update_wanted_, false) || old) && !UpdateKeys(out)) return 0;
  WriteBuffers record;
  size_t size = 0;
  for (size_t i = 0; i < buffers.count && size < RecordCipher::kPlainBytesMax; ++i) {
    record.Add(buffers.parts[i].substr(0, RecordCipher::kPlainBytesMax - size));
    size += record.parts[record.count - 1].size();
  }
  const std::span<const std::string_view> parts(record.parts.data(), record.count);
  return writer_.Seal(ContentType::kApplicationData, parts, out) ? size : 0;
}

void TlsRecords::SealAlert(uint8_t level, uint8_t alert, std::string& out) {
  const char content[] = {static_cast<char>(level), static_cast<char>(alert)};
  const std::string_view message[] = {{content, sizeof content}};
  writer_.Seal(ContentType::kAlert, message, out);
}

void TlsRecords::SealGoodbye(std::string& out) {
  SealAlert(SSL3_AL_WARNING, SSL3_AD_CLOSE_NOTIFY, out);
}

void TlsRecords::Rest() {
  reader_.Rest();
  writer_.Rest();
}

}  // namespace apk
