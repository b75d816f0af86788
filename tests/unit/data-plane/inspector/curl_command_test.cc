// Commands are tried in the real shell: what it hands to a program must be what was captured.
#include "data-plane/inspector/curl_command.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "common/strings.h"

namespace apk::inspector {
namespace {

std::string RunShell(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "no shell";
  std::array<char, 4096> buffer;
  for (size_t size; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), size);
  }
  pclose(pipe);
  return output;
}

CapturedRequest Post(std::string body) {
  CapturedRequest request;
  request.method = "POST";
  request.target = "/token-01/a";
  request.body_bytes = body.size();
  request.body = std::move(body);
  return request;
}

constexpr char kHostile[] = "it's $(id) `id` \"x\" \\ $HOME !! ; | & * ~ #\n\tend '' '";

TEST(ShellQuote, HostileTextIsOneInertWord) {
  EXPECT_EQ(RunShell("printf %s " + ShellQuote(kHostile)), kHostile);
  EXPECT_EQ(RunShell("printf %s " + ShellQuote("")), "");
}

// What stands before the pipe makes the body.
TEST(CurlCommand, BinaryBodiesSurviveTheShellByteForByte) {
  std::string body;
  for (int round = 0; round < 2; ++round) {
    for (int byte = 0; byte < 256; ++byte) body += static_cast<char>(byte);
  }
  body = "-n %s 'q' 7" + body;
  const absl::StatusOr<std::string> command = CurlCommand(Post(body), "http://127.0.0.1:1");
  ASSERT_TRUE(command.ok());
  const size_t pipe = command->find("' | curl ");
  ASSERT_NE(pipe, std::string::npos);
  EXPECT_EQ(RunShell(command->substr(0, pipe + 1)), body);
}

TEST(CurlCommand, TextBodiesAndHeadersSurviveTheShell) {
  CapturedRequest request = Post(kHostile);
  request.headers = {{.name = "X-Quote", .value = "a'b $(id) `id`"},
                     {.name = "X-Empty", .value = ""}};
  const absl::StatusOr<std::string> command = CurlCommand(request, "http://127.0.0.1:1");
  ASSERT_TRUE(command.ok());
  // A function in place of the program prints its arguments.
  const std::string arguments = RunShell("curl() { printf '<%s>' \"$@\"; }\n" + *command);
  EXPECT_NE(arguments.find("<X-Quote: a'b $(id) `id`>"), std::string::npos) << arguments;
  EXPECT_NE(arguments.find("<X-Empty;>"), std::string::npos) << arguments;
  EXPECT_NE(arguments.find(Concat("<--data-raw><", kHostile, ">")), std::string::npos) << arguments;
}

TEST(CurlCommand, RefusesWhatItCantRepeat) {
  CapturedRequest cut = Post("begin");
  cut.body_bytes = 100;
  EXPECT_FALSE(CurlCommand(cut, "http://127.0.0.1:1").ok());
  CapturedRequest control = Post("");
  control.headers = {{.name = "X-Odd", .value = std::string("a\0b", 3)}};
  EXPECT_FALSE(CurlCommand(control, "http://127.0.0.1:1").ok());
}

}  // namespace
}  // namespace apk::inspector
