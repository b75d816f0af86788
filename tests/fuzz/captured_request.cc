// What the inspector keeps and shows: whatever was captured becomes JSON that says the same, and a
// command whose words a shell leaves alone. The parts of a request stand in lines: target, a
// filter, header names and values; a body behind an empty line.
#include "data-plane/inspector/captured_request.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data-plane/inspector/curl_command.h"
#include "data-plane/inspector/filter.h"
#include "data-plane/inspector/query.h"
#include "data-plane/inspector/request_json.h"
#include "tests/fuzz/lines.h"
#include "tests/fuzz/require.h"

namespace apk::inspector {
namespace {

// What a POSIX shell makes of one quoted word.
std::string Unquote(std::string_view word) {
  std::string text;
  bool quoted = false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\'') {
      quoted = !quoted;
    } else if (!quoted && word[i] == '\\') {
      Require(++i < word.size(), "nothing is escaped at the end");
      text += word[i];
    } else {
      const bool plain = std::isalnum(static_cast<unsigned char>(word[i])) != 0 ||
                         std::string_view("-_./:=@%+,").find(word[i]) != std::string_view::npos;
      Require(quoted || plain, "a letter that means something is quoted");
      text += word[i];
    }
  }
  Require(!quoted, "quotes are closed");
  return text;
}

void Check(std::string_view bytes) {
  CapturedRequest request;
  request.method = "POST";
  request.target = TakeLine(bytes);
  const std::string_view filter_text = TakeLine(bytes);
  while (!bytes.empty()) {
    const std::string_view name = TakeLine(bytes);
    if (name.empty()) break;
    request.headers.push_back({std::string(name), std::string(TakeLine(bytes))});
  }
  request.body = bytes.substr(0, CapturedRequest::kBodyBytesMax);
  request.body_bytes = bytes.size();
  ToOriginForm(request.target);
  MaskSecrets(request.headers);
  Require(TokenOf(request.target).empty() || IsToken(TokenOf(request.target)), "a token is one");
  Require(request.Path().starts_with('/'), "a path is one");
  for (const QueryParameter& parameter : ParseQuery(request.Query())) {
    Require(parameter.name.size() + parameter.value.size() <= request.target.size(),
            "decoding makes nothing longer");
  }
  const auto filter = Filter::Parse(filter_text);
  if (filter.ok()) {
    filter->Matches(request, WallTime());
  } else {
    Require(!filter.status().message().empty(), "a refusal says why");
  }
  const std::string shown = Dump(DetailJson(request, {.http = "http://127.0.0.1:1", .https = ""}));
  Require(!nlohmann::json::parse(shown, nullptr, false).is_discarded(), "it is JSON");
  Dump(SummaryJson(request));
  Require(Unquote(ShellQuote(request.target)) == request.target, "a word is what it was");
  const auto command = CurlCommand(request, "http://127.0.0.1:1");
  Require(command.ok() || !command.status().message().empty(), "a refusal says why");
}

}  // namespace
}  // namespace apk::inspector

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::inspector::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
