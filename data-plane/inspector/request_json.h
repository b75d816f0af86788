// Captured requests as JSON. Bytes that aren't UTF-8 become replacement characters, but for bodies,
// which then are in base64. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data-plane/inspector/bins.h"

namespace apk::inspector {

// Where requests are sent to: "http://127.0.0.1:9602"; "" for a listener that isn't there.
struct CaptureOrigins {
  std::string http;
  std::string https;
};

using Json = nlohmann::ordered_json;

Json SummaryJson(const CapturedRequest& request);
// All of it, with the command that sends it again.
Json DetailJson(const CapturedRequest& request, const CaptureOrigins& origins);
// Counters, limits and addresses of a bin.
Json BinJson(std::string_view token, const Bin& bin, const CaptureOrigins& origins);
std::string Dump(const Json& json);

}  // namespace apk::inspector
