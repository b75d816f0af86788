// Every golden file, as text; with --update the files are written anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "control-plane/translation/translator.h"
#include "data-plane/routing/compile.h"
#include "tests/golden/golden_case.h"

namespace apk::golden {
namespace {

bool update = false;  // Set once, by main.

class TranslateGolden : public testing::TestWithParam<std::string> {};

TEST_P(TranslateGolden, GivesTheExpectedSnapshotAndStatuses) {
  Case golden = ReadCase(GetParam());
  const Translation translation =
      Translate(ReadResources(golden.input), ReadFleet(golden.input), 7, kNow);
  const std::string actual = Print(translation);
  if (update) {
    golden.expected = actual;
    WriteCase(GetParam(), golden);
    return;
  }
  EXPECT_EQ(golden.expected, actual) << GetParam() << ": if this is meant, run with --update";
}

TEST_P(TranslateGolden, GivesSnapshotsThatAgentsAccept) {
  const std::string input = ReadCase(GetParam()).input;
  const FleetReport fleet = ReadFleet(input);
  const SlicesPtr slices = Translator().Translate(ReadResources(input), fleet, 7, kNow).snapshot;
  for (const FleetReport::Group& group : fleet.groups) {
    const CompileResult compiled = Compile(slices->For(group.labels)->ToProto());
    for (const auto& error : compiled.errors)
      ADD_FAILURE() << error.resource << ": " << error.message;
    EXPECT_NE(compiled.table, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TranslateGolden, testing::ValuesIn(AllCases()), CaseName);

}  // namespace

void UpdateFiles() { update = true; }

}  // namespace apk::golden

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "--update") apk::golden::UpdateFiles();
  return RUN_ALL_TESTS();
}
