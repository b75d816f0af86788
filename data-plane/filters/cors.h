// Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol; Gateway API,
// HTTPCORSFilter): who may ask, and what browsers are told. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data-plane/http/message.h"

namespace apk {

// An origin, or many: host may be "*" or begin with "*.", which takes one label or more.
struct OriginPattern {
  std::string scheme;  // Lower case, as is host.
  std::string host;
  uint16_t port = 0;
};

struct Cors {
  bool any_origin = false;
  std::vector<OriginPattern> origins;
  bool allow_credentials = false;
  bool any_method = false;
  std::string allow_methods;  // As the field says it.
  bool any_header = false;
  std::string allow_headers;
  bool expose_any = false;
  std::string expose_headers;
  std::string max_age;  // Seconds.
};

// nullopt where it is no origin: "null" is none that a pattern could take.
std::optional<OriginPattern> ParseOrigin(std::string_view text);

bool AllowsOrigin(const Cors& cors, std::string_view origin);

// A browser asks before it sends a request that the page could not send by other means.
bool IsPreflight(const RequestHead& request);

struct Reply;
// The gateway's answer, 200 either way (some clients take no other success for one); only where the
// origin is allowed does it say so, and then the whole policy. REQUIRES: IsPreflight(request).
Reply AnswerPreflight(const Cors& cors, const RequestHead& request);

// On the response to a request of `origin` ("": it had none). What the backend says of origins is
// replaced: the policy is the gateway's.
void GrantOrigin(const Cors& cors, std::string_view origin, ResponseHead& response);

}  // namespace apk
