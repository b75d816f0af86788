// Keys that stand in a file.
#include "control-plane/authentication/provider_keys.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <utility>

namespace apk {
namespace {

// RFC 7517, A.1.
std::string Jwks(const std::string& id) {
  return R"({"keys":[{"kty":"EC","crv":"P-256","kid":")" + id +
         R"(","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
         R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})";
}

class ProviderKeysTest : public testing::Test {
 protected:
  ProviderKeysTest() {
    std::string pattern = testing::TempDir() + "/keys-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_.issuer = "https://id.example";
    options_.jwks = directory_ + "/keys.json";
  }
  ~ProviderKeysTest() override { std::filesystem::remove_all(directory_); }
  void Write(const std::string& text) const {
    std::ofstream(options_.jwks + ".new") << text;
    std::filesystem::rename(options_.jwks + ".new", options_.jwks);
  }

  std::string directory_;
  OidcOptions options_;
};

TEST_F(ProviderKeysTest, AFileThatIsWrongAtTheStartIsAnError) {
  EXPECT_TRUE(absl::IsInvalidArgument(ProviderKeys::Open(options_).status()));
  Write("{}");
  EXPECT_TRUE(absl::IsInvalidArgument(ProviderKeys::Open(options_).status()));
}

TEST_F(ProviderKeysTest, AnotherFileIsReadAndAWrongOneLeavesTheKeysAsTheyAre) {
  Write(Jwks("one"));
  const auto keys = ProviderKeys::Open(options_);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ((*keys)->Current().keys->keys.at(0).id, "one");
  const auto until = [&](const auto& holds) {
    // What is asked for soon is told of when it is done.
    while (!holds((*keys)->Current())) {
      std::promise<void> told;
      if ((*keys)->FetchSoon("a", [&told] { told.set_value(); })) told.get_future().wait();
    }
  };
  Write(Jwks("two"));
  until([](const ProviderKeys::Known& known) { return known.keys->keys.at(0).id == "two"; });
  Write("damaged");
  until([](const ProviderKeys::Known& known) { return !known.trouble.empty(); });
  EXPECT_EQ((*keys)->Current().keys->keys.at(0).id, "two");
  EXPECT_EQ((*keys)->Current().version, 2u);
}

// A provider that takes connections and never answers.
class Silent {
 public:
  Silent() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(socket_, reinterpret_cast<const sockaddr*>(&address), size);
    listen(socket_, 8);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  }
  ~Silent() { Close(); }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  const std::string& url() const { return url_; }

 private:
  int socket_;
  std::string url_;
};

TEST_F(ProviderKeysTest, OneAskerDoesNotTakeAllPlaces) {
  Silent provider;
  options_.jwks = provider.url();
  auto keys = ProviderKeys::Open(options_);
  ASSERT_TRUE(keys.ok()) << keys.status();
  int waiting = 0;
  for (int i = 0; i < 100; ++i) waiting += (*keys)->FetchSoon("stranger", [] {}) ? 1 : 0;
  EXPECT_EQ(waiting, 16);
  EXPECT_TRUE((*keys)->FetchSoon("another", [] {}));
  provider.Close();
}

TEST_F(ProviderKeysTest, WhoWaitsIsToldWhenItStopsAndNobodyAfterwards) {
  Silent provider;
  options_.jwks = provider.url();
  auto keys = ProviderKeys::Open(options_);
  ASSERT_TRUE(keys.ok()) << keys.status();
  int told = 0;
  for (const char* const asker : {"a", "b", "c"}) {
    ASSERT_TRUE((*keys)->FetchSoon(asker, [&told] { ++told; }));
  }
  (*keys)->Stop();
  EXPECT_EQ(told, 3);
  EXPECT_FALSE((*keys)->FetchSoon("d", [&told] { ++told; }));
  provider.Close();
  keys->reset();
  EXPECT_EQ(told, 3);
}

}  // namespace
}  // namespace apk
