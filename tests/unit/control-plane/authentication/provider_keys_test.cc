// Keys that stand in a file.
#include "control-plane/authentication/provider_keys.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>

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
      if ((*keys)->FetchSoon([&told] { told.set_value(); })) told.get_future().wait();
    }
  };
  Write(Jwks("two"));
  until([](const ProviderKeys::Known& known) { return known.keys->keys.at(0).id == "two"; });
  Write("damaged");
  until([](const ProviderKeys::Known& known) { return !known.trouble.empty(); });
  EXPECT_EQ((*keys)->Current().keys->keys.at(0).id, "two");
  EXPECT_EQ((*keys)->Current().version, 2u);
}

}  // namespace
}  // namespace apk
