// The examples of RFC 8448 (3), and what is not in them.
#include "data-plane/net/record_cipher.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <vector>

namespace apk {
namespace {

std::string Unhex(const char* hex) {
  std::vector<unsigned char> bytes(std::char_traits<char>::length(hex));
  size_t size = 0;
  EXPECT_EQ(OPENSSL_hexstr2buf_ex(bytes.data(), bytes.size(), &size, hex, '\0'), 1);
  return std::string(reinterpret_cast<const char*>(bytes.data()), size);
}

constexpr char kClientSecret[] = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
constexpr char kServerSecret[] = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
constexpr char kClientRecord[] =
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2"
    "977014bd1e3deae63aeebb21694915e4";
constexpr char kServerRecord[] =
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59"
    "a8fcc49c4bf2e5f0a2"
    "1c0047c2abf332540dd032e167c2955d";
constexpr char kClientAlert[] = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";

std::string FiftyBytes() {
  std::string bytes;
  for (char c = 0; c < 50; ++c) bytes += c;
  return bytes;
}

std::string Sealed(RecordCipher& cipher, ContentType type, std::vector<std::string_view> parts) {
  std::string out = "before ";
  EXPECT_TRUE(cipher.Seal(type, parts, out));
  EXPECT_TRUE(out.starts_with("before "));
  return out.substr(7);
}

// Type and content; "" where it can't be opened.
std::string Opened(RecordCipher& cipher, std::string record) {
  const auto opened = cipher.Open(record);
  if (!opened.has_value()) return "";
  return std::string(1, static_cast<char>(opened->type)) + std::string(opened->content);
}

TEST(RecordCipher, OpensAndSealsAsTheExamplesSay) {
  const RecordSuite& suite = *FindRecordSuite(0x1301);
  RecordCipher client(suite, RecordCipher::Direction::kOpen, Unhex(kClientSecret), 0);
  EXPECT_EQ(Opened(client, Unhex(kClientRecord)), "\x17" + FiftyBytes());
  client.Rest();
  EXPECT_EQ(Opened(client, Unhex(kClientAlert)), std::string("\x15\x01\x00", 3));
  // A ticket was the first record.
  RecordCipher server(suite, RecordCipher::Direction::kSeal, Unhex(kServerSecret), 1);
  const std::string bytes = FiftyBytes();
  const std::string_view all = bytes;
  EXPECT_EQ(Sealed(server, ContentType::kApplicationData,
                   {all.substr(0, 7), all.substr(7, 0), all.substr(7)}),
            Unhex(kServerRecord));
  EXPECT_EQ(server.sequence(), 2u);
}

TEST(RecordCipher, WhatWasChangedOrComesOutOfOrderIsNotOpened) {
  const RecordSuite& suite = *FindRecordSuite(0x1301);
  const std::string record = Unhex(kClientRecord);
  for (size_t i = 0; i < record.size(); ++i) {
    std::string changed = record;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    RecordCipher cipher(suite, RecordCipher::Direction::kOpen, Unhex(kClientSecret), 0);
    EXPECT_EQ(Opened(cipher, changed), "") << i;
  }
  RecordCipher late(suite, RecordCipher::Direction::kOpen, Unhex(kClientSecret), 1);
  EXPECT_EQ(Opened(late, record), "");
  for (size_t size = 0; size < 5 + 17; ++size) {
    RecordCipher cipher(suite, RecordCipher::Direction::kOpen, Unhex(kClientSecret), 0);
    EXPECT_EQ(Opened(cipher, record.substr(0, size)), "");
  }
}

class EachSuite : public testing::TestWithParam<uint16_t> {};

TEST_P(EachSuite, BothSidesGoOnTogetherThroughNewKeysAndRests) {
  const RecordSuite& suite = *FindRecordSuite(GetParam());
  const std::string secret(suite.secret_bytes, 's');
  RecordCipher writer(suite, RecordCipher::Direction::kSeal, secret, 0);
  RecordCipher reader(suite, RecordCipher::Direction::kOpen, secret, 0);
  std::string last;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, RecordCipher::kPlainBytesMax}) {
    for (int round = 0; round < 3; ++round) {
      const std::string content(size, static_cast<char>('a' + round));
      const std::string record = Sealed(writer, ContentType::kApplicationData, {content});
      EXPECT_EQ(record.size(), size + RecordCipher::kOverheadBytes);
      EXPECT_NE(record, last);
      last = record;
      EXPECT_EQ(Opened(reader, record), "\x17" + content);
      if (round == 0) writer.Rest();
      if (round == 1) reader.Rest();
    }
    writer.Update();
    reader.Update();
  }
}

INSTANTIATE_TEST_SUITE_P(Suites, EachSuite, testing::Values(0x1301, 0x1302, 0x1303));

TEST(RecordCipher, KnowsTheSuitesOfTls13Only) {
  EXPECT_EQ(FindRecordSuite(0xc02b), nullptr);
  EXPECT_EQ(FindRecordSuite(0x1304), nullptr);
}

}  // namespace
}  // namespace apk
