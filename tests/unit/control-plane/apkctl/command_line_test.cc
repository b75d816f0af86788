// Words as kubectl takes them.
#include "control-plane/apkctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Values {
  std::string output = "table";
  std::string dry_run = "none";
  std::string namespace_name;
  std::vector<std::string> files;
  bool all = false;
  bool watch = false;
};

Program MakeProgram(Values& values) {
  Program program{.name = "ctl", .help = "Does things."};
  program.flags = {{.name = "namespace", .shorthand = 'n', .text = &values.namespace_name}};
  program.commands.push_back({.name = "get",
                              .arguments = "KIND [NAME]",
                              .flags = {{.name = "output",
                                         .shorthand = 'o',
                                         .text = &values.output,
                                         .choices = {"table", "json"}},
                                        {.name = "all", .shorthand = 'A', .on = &values.all},
                                        {.name = "watch", .shorthand = 'w', .on = &values.watch}},
                              .arguments_min = 1,
                              .arguments_max = 3});
  program.commands.push_back(
      {.name = "apply",
       .flags = {{.name = "filename", .shorthand = 'f', .list = &values.files},
                 {.name = "dry-run",
                  .text = &values.dry_run,
                  .choices = {"none", "client"},
                  .bare = "client"}}});
  program.commands.push_back({.name = "config use", .arguments_min = 1, .arguments_max = 1});
  program.commands.push_back({.name = "agents"});
  program.commands.push_back({.name = "agents token make", .arguments_max = 1});
  program.commands.push_back({.name = "agents token drop", .arguments_max = 1});
  return program;
}

struct Parsed {
  Values values;
  std::string command;
  std::vector<std::string> arguments;
  std::string help;
  std::string error;
};

Parsed Parse(const std::vector<std::string>& words) {
  Parsed parsed;
  const Program program = MakeProgram(parsed.values);
  const Invocation invocation = ParseCommandLine(program, words);
  if (invocation.command != nullptr) parsed.command = invocation.command->name;
  parsed.arguments = invocation.arguments;
  parsed.help = invocation.help;
  parsed.error = invocation.error;
  return parsed;
}

TEST(CommandLine, AFlagsValueIsTakenInEveryWayThatItIsWritten) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"get", "x", "-o", "json"},
                                                {"get", "x", "-ojson"},
                                                {"get", "x", "-o=json"},
                                                {"get", "x", "--output", "json"},
                                                {"get", "x", "--output=json"},
                                                {"-o", "json", "get", "x"},
                                                {"get", "-o=json", "x"}}) {
    const Parsed parsed = Parse(words);
    EXPECT_EQ(parsed.error, "");
    EXPECT_EQ(parsed.values.output, "json");
    EXPECT_THAT(parsed.arguments, ElementsAre("x"));
  }
}

TEST(CommandLine, GlobalFlagsMayStandBeforeTheCommand) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-n", "get", "get", "x"},
                                                {"-n=get", "get", "x"},
                                                {"--namespace=get", "get", "x"},
                                                {"get", "-nget", "x"}}) {
    const Parsed parsed = Parse(words);
    EXPECT_EQ(parsed.values.namespace_name, "get");
    EXPECT_EQ(parsed.command, "get");
    EXPECT_THAT(parsed.arguments, ElementsAre("x"));
  }
}

TEST(CommandLine, FlagsWithoutAValueMayBeJoinedAndTurnedOff) {
  const Parsed joined = Parse({"get", "x", "-Awojson"});
  EXPECT_TRUE(joined.values.all);
  EXPECT_TRUE(joined.values.watch);
  EXPECT_EQ(joined.values.output, "json");
  EXPECT_FALSE(Parse({"get", "x", "-w", "--watch=false"}).values.watch);
  EXPECT_FALSE(Parse({"get", "x", "-w=false"}).values.watch);
}

TEST(CommandLine, AListTakesCommasAndRepetitionButNoFurtherWords) {
  const Parsed parsed = Parse({"apply", "-f", "a,b", "-f", "c"});
  EXPECT_THAT(parsed.values.files, ElementsAre("a", "b", "c"));
  EXPECT_THAT(Parse({"apply", "-f", "a", "b"}).error, HasSubstr("unexpected argument \"b\""));
}

TEST(CommandLine, ABareFlagHasItsOwnValue) {
  EXPECT_EQ(Parse({"apply", "--dry-run", "-f", "a"}).values.dry_run, "client");
  EXPECT_EQ(Parse({"apply", "--dry-run=none", "-f", "a"}).values.dry_run, "none");
  // The next word is no value of it.
  EXPECT_THAT(Parse({"apply", "--dry-run", "client"}).error, HasSubstr("unexpected argument"));
}

TEST(CommandLine, NamesOfCommandsAreArgumentsToo) {
  EXPECT_THAT(Parse({"get", "kind", "apply"}).arguments, ElementsAre("kind", "apply"));
  EXPECT_EQ(Parse({"get", "kind", "apply"}).command, "get");
}

TEST(CommandLine, TwoDashesEndTheFlags) {
  EXPECT_THAT(Parse({"get", "--", "-x", "--y"}).arguments, ElementsAre("-x", "--y"));
}

TEST(CommandLine, CommandsOfTwoWordsAreFound) {
  const Parsed parsed = Parse({"config", "-n", "a", "use", "b"});
  EXPECT_EQ(parsed.command, "config use");
  EXPECT_THAT(parsed.arguments, ElementsAre("b"));
  EXPECT_EQ(Parse({"config"}).error, "\"config\" needs one of use");
  EXPECT_EQ(Parse({"config", "see"}).error, "\"config\" needs one of use, not \"see\"");
}

TEST(CommandLine, OfSeveralCommandsTheLongestNameCounts) {
  EXPECT_EQ(Parse({"agents"}).command, "agents");
  const Parsed parsed = Parse({"agents", "token", "drop", "make"});
  EXPECT_EQ(parsed.command, "agents token drop");
  EXPECT_THAT(parsed.arguments, ElementsAre("make"));
  EXPECT_THAT(Parse({"agents", "see"}).error,
              HasSubstr("\"agents\" needs one of token, not \"see\""));
  EXPECT_THAT(Parse({"agents", "token"}).error,
              HasSubstr("\"agents token\" needs one of make, drop"));
}

TEST(CommandLine, MistakesAreNamed) {
  EXPECT_EQ(Parse({"gett"}).error,
            "unknown command \"gett\" for \"ctl\"\n\nDid you mean this?\n  get");
  EXPECT_EQ(Parse({"get", "x", "--outptu=json"}).error,
            "unknown flag: --outptu; did you mean --output?\nSee 'ctl get --help' for usage.");
  EXPECT_EQ(Parse({"get", "x", "-z"}).error,
            "unknown shorthand flag: 'z' in -z\nSee 'ctl get --help' for usage.");
  EXPECT_EQ(Parse({"get", "x", "-o"}).error,
            "flag needs an argument: 'o' in -o\nSee 'ctl get --help' for usage.");
  EXPECT_EQ(Parse({"get", "x", "-o", "xml"}).error,
            "invalid argument \"xml\" for \"-o, --output\" flag: use one of table, json\n"
            "See 'ctl get --help' for usage.");
  EXPECT_EQ(Parse({"get", "x", "-w=perhaps"}).error,
            "invalid argument \"perhaps\" for \"-w, --watch\" flag: use true or false\n"
            "See 'ctl get --help' for usage.");
  EXPECT_EQ(Parse({"-n"}).error,
            "flag needs an argument: -n, --namespace\nSee 'ctl --help' for usage.");
  EXPECT_EQ(Parse({"get"}).error,
            "an argument is missing: get KIND [NAME]\nSee 'ctl get --help' for usage.");
}

TEST(CommandLine, HelpIsShownWhereItIsAskedFor) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"-h"}, {"--help"}, {"help"}}) {
    EXPECT_THAT(Parse(words).help, HasSubstr("Usage: ctl COMMAND"));
    EXPECT_THAT(Parse(words).error, IsEmpty());
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"get", "-h"}, {"get", "x", "--help"}, {"help", "get"}}) {
    EXPECT_THAT(Parse(words).help, HasSubstr("Usage: ctl get KIND [NAME] [flags]"));
    EXPECT_THAT(Parse(words).help, HasSubstr("-o, --output=…"));
  }
}

TEST(CommandLine, AFlagThatWaitsForItsValueIsSeen) {
  Values values;
  const Program program = MakeProgram(values);
  EXPECT_EQ(FindCommand(program, {"get", "x", "-o"}).open_flag->name, "output");
  EXPECT_EQ(FindCommand(program, {"get", "x", "-ojson"}).open_flag, nullptr);
  EXPECT_THAT(FindCommand(program, {"get", "-n", "a", "x"}).arguments, ElementsAre("x"));
}

}  // namespace
}  // namespace apk
