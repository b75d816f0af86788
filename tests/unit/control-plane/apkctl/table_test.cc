// Columns, ages, and text that a terminal may be shown.
#include "control-plane/apkctl/table.h"

#include <gtest/gtest.h>

#include "apk/v1/routes.pb.h"
#include "control-plane/apkctl/printable.h"

namespace apk {
namespace {

TEST(FormatTable, PadsByCharactersAndHidesEscapes) {
  EXPECT_EQ(FormatTable({{"NAME", "X"}, {"ä", "1"}, {"\033[0m", "2"}}),
            "NAME      X\nä         1\n\\x1b[0m   2\n");
}

TEST(FormatTable, ColumnsKeepTheirWidthsFromOneCallToTheNext) {
  std::vector<size_t> widths;
  EXPECT_EQ(FormatTable({{"NAME", "X"}, {"a-long-name", "1"}}, &widths),
            "NAME          X\na-long-name   1\n");
  EXPECT_EQ(FormatTable({{"b", "2"}}, &widths), "b             2\n");
}

TEST(RowOf, ARouteIsAcceptedWhereAllItsParentsAcceptIt) {
  const Kind& kind = *FindKind(v1::HTTPRoute::descriptor());
  const TableOptions options{.wide = true};
  v1::HTTPRoute route;
  route.mutable_metadata()->set_name("r");
  route.mutable_spec()->add_hostnames("a.example");
  EXPECT_EQ(RowOf(kind, route, options),
            (Row{"r", "[\"a.example\"]", "<unknown>", "Unknown", "Unknown"}));
  for (const char* const status : {"True", "False", "True"}) {
    v1::Condition* const condition = route.mutable_status()->add_parents()->add_conditions();
    condition->set_type("Accepted");
    condition->set_status(status);
  }
  EXPECT_EQ(RowOf(kind, route, options)[3], "False");
  route.mutable_status()->mutable_parents(1)->mutable_conditions(0)->set_status("True");
  EXPECT_EQ(RowOf(kind, route, options)[3], "True");
}

TEST(Printable, ControlsAndBrokenBytesBecomeEscapes) {
  EXPECT_EQ(Printable("a\tb\r\x7f"), "a\\x09b\\x0d\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");  // C1's own way to begin a sequence.
  EXPECT_EQ(Printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Printable("ü€😀"), "ü€😀");
}

TEST(AgeOf, IsShortenedAsKubectlDoes) {
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 5), "5s");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 125), "2m5s");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 11 * 60), "11m");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 3 * 3600 + 60), "3h1m");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 9 * 3600), "9h");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 50 * 3600), "2d2h");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 9 * 86'400), "9d");
  EXPECT_EQ(AgeOf("2026-01-01T00:00:00Z", 1'767'225'600 + 800 * 86'400), "2y70d");
  EXPECT_EQ(AgeOf("yesterday", 0), "<unknown>");
}

}  // namespace
}  // namespace apk
