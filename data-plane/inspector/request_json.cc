// The words of the JSON API.
#include "data-plane/inspector/request_json.h"

#include <chrono>
#include <cstdio>

#include "common/strings.h"
#include "common/time_format.h"
#include "data-plane/inspector/curl_command.h"
#include "data-plane/inspector/query.h"

namespace apk::inspector {
namespace {

// RFC 3339 with milliseconds.
std::string TimeText(WallTime at) {
  const auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  std::string text = Rfc3339(static_cast<std::time_t>(since / 1000));
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(since % 1000));
  text.replace(text.size() - 1, 1, fraction);
  return text;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte < 0x80                   ? 1
                          : byte >= 0xc2 && byte < 0xe0 ? 2
                          : byte >= 0xe0 && byte < 0xf0 ? 3
                          : byte >= 0xf0 && byte < 0xf5 ? 4
                                                        : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    const auto second = length > 2 ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((byte == 0xe0 && second < 0xa0) || (byte == 0xed && second > 0x9f) ||
        (byte == 0xf0 && second < 0x90) || (byte == 0xf4 && second > 0x8f)) {
      return false;  // Overlong, a surrogate, or beyond Unicode.
    }
    i += length;
  }
  return true;
}

// A cut at 64 KiB may go through a character: what is left of it doesn't make the text binary.
std::string_view WithoutCutCharacter(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte >= 0xc0) return text.substr(0, text.size() - back);
    if (byte < 0x80) break;
  }
  return text;
}

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) text += k <= left ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

Json BodyJson(const CapturedRequest& request) {
  Json body = {{"bytes", request.body_bytes},
               {"storedBytes", request.body.size()},
               {"truncated", request.truncated()}};
  const std::string_view text =
      request.truncated() ? WithoutCutCharacter(request.body) : std::string_view(request.body);
  if (IsUtf8(text) && text.find('\0') == std::string_view::npos) {
    body["text"] = text;
  } else {
    body["base64"] = Base64(request.body);
  }
  return body;
}

}  // namespace

Json SummaryJson(const CapturedRequest& request) {
  return {{"id", request.id},
          {"receivedAt", TimeText(request.received_at)},
          {"method", request.method},
          {"path", request.Path()},
          {"query", request.Query()},
          {"source", request.source},
          {"scheme", request.tls ? "https" : "http"},
          {"contentType", request.Header("content-type")},
          {"bodyBytes", request.body_bytes}};
}

Json DetailJson(const CapturedRequest& request, const CaptureOrigins& origins) {
  Json detail = SummaryJson(request);
  detail["target"] = request.target;
  detail["httpVersion"] = request.http_version;
  Json headers = Json::array();
  for (const CapturedHeader& header : request.headers) {
    headers.push_back({{"name", header.name}, {"value", header.value}, {"masked", header.masked}});
  }
  detail["headers"] = std::move(headers);
  Json parameters = Json::array();
  for (const QueryParameter& parameter : ParseQuery(request.Query())) {
    parameters.push_back({{"name", parameter.name}, {"value", parameter.value}});
  }
  detail["queryParameters"] = std::move(parameters);
  detail["body"] = BodyJson(request);
  const absl::StatusOr<std::string> command =
      CurlCommand(request, request.tls ? origins.https : origins.http);
  if (command.ok()) {
    detail["curl"] = *command;
  } else {
    detail["curlRefused"] = std::string(command.status().message());
  }
  return detail;
}

Json BinJson(std::string_view token, const Bin& bin, const CaptureOrigins& origins) {
  Json urls = Json::array();
  for (const std::string& origin : {origins.http, origins.https}) {
    if (!origin.empty()) urls.push_back(Concat(origin, "/", token, "/"));
  }
  return {{"token", token},
          {"urls", std::move(urls)},
          {"received", bin.received()},
          {"kept", bin.requests().size()},
          {"evicted", bin.evicted()},
          {"bytes", bin.bytes()},
          {"requestsMax", bin.limits().requests_max},
          {"bytesMax", bin.limits().bytes_max},
          {"lastReceivedAt",
           bin.requests().empty() ? "" : TimeText(bin.requests().back().received_at)}};
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace apk::inspector
