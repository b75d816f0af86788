#include "common/sealed.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(Sealed, IsOpenedWhereItIsWholeAndOfItsKind) {
  for (const std::string_view body : {std::string_view(""), std::string_view("a\0b", 3)}) {
    const std::string sealed = Seal("magic--1", body);
    EXPECT_EQ(Unseal("magic--1", sealed), body);
    EXPECT_EQ(Unseal("magic--2", sealed), std::nullopt);
  }
}

TEST(Sealed, AnyByteThatIsMissingOrOtherIsSeen) {
  const std::string sealed = Seal("magic--1", "the body");
  for (size_t i = 0; i < sealed.size(); ++i) {
    EXPECT_EQ(Unseal("magic--1", sealed.substr(0, i)), std::nullopt) << i;
    std::string damaged = sealed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(Unseal("magic--1", damaged), std::nullopt) << i;
  }
  EXPECT_EQ(Unseal("magic--1", sealed + "x"), std::nullopt);
}

}  // namespace
}  // namespace apk
