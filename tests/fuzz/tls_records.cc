// What a client says after its handshake, as one that has the keys: of each record its type, a length, and the
// content. Whatever the rules are broken by, data is what was sent until then, in order.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "data-plane/net/tls_records.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

struct Sent {
  std::string bytes;
  std::string data;  // Of records of data.
};

Sent Seal(const RecordSuite& suite, const std::string& secret, std::string_view input) {
  RecordCipher client(suite, RecordCipher::Direction::kSeal, secret, 0);
  Sent sent;
  // 0 would be padding of what the content ends with.
  while (input.size() >= 2 && input[0] != 0) {
    const auto type = static_cast<ContentType>(input[0]);
    const std::string_view content = input.substr(2, static_cast<unsigned char>(input[1]));
    input.remove_prefix(2 + content.size());
    const std::string_view parts[] = {content};
    Require(client.Seal(type, parts, sent.bytes), "a record is sealed");
    if (type == ContentType::kApplicationData) sent.data += content;
    if (type == ContentType::kHandshake && content.starts_with('\x18')) client.Update();
  }
  return sent;
}

std::string Read(TlsRecords& records, std::string_view bytes, size_t piece) {
  std::string read;
  for (;;) {
    const TlsRecords::State state = records.Advance();
    if (state == TlsRecords::State::kData) {
      read += records.data();
      records.Consume(records.data().size());
      continue;
    }
    if (state != TlsRecords::State::kMore || bytes.empty()) return read;
    const TlsRecords::Space space = records.Prepare();
    Require(space.size > 0, "there is room for a whole record");
    const size_t size = std::min({piece, space.size, bytes.size()});
    std::memcpy(space.data, bytes.data(), size);
    records.Commit(size);
    bytes.remove_prefix(size);
  }
}

void Check(std::string_view input) {
  const RecordSuite& suite = *FindRecordSuite(0x1301);
  TrafficSecrets secrets;
  secrets.client = std::string(suite.secret_bytes, 'c');
  secrets.server = std::string(suite.secret_bytes, 's');
  const Sent sent = Seal(suite, secrets.client, input);
  std::string first;
  for (const size_t piece : {size_t{16'384}, size_t{11}}) {
    TlsRecords records(suite, secrets, "");
    const std::string read = Read(records, sent.bytes, piece);
    Require(sent.data.starts_with(read), "what is read was sent");
    Require(piece != 11 || read == first, "pieces change nothing");
    first = read;
    std::string reply;
    records.TakeReply(reply);
    Require(reply.size() <= 64, "an answer is short");
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
