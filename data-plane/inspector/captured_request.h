// A request as the inspector keeps it: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace apk::inspector {

struct CapturedHeader {
  std::string name;   // As it was spelled.
  std::string value;  // Without its secret where `masked`.
  bool masked = false;
};

struct CapturedRequest {
  uint64_t id = 0;  // Ascending within a bin; 0 before it is added to one.
  WallTime received_at;
  std::string method;
  std::string target;  // As received, with the bin's token; once kept in a bin, in origin-form.
  std::string http_version = "1.1";
  std::vector<CapturedHeader> headers;  // In the order received.
  std::string body;                     // Its beginning, at most `kBodyBytesMax`.
  uint64_t body_bytes = 0;              // Of all of it.
  std::string source;                   // IP address and port of the peer.
  bool tls = false;

  static constexpr size_t kBodyBytesMax = 64 * 1024;

  bool truncated() const { return body_bytes > body.size(); }
  std::string_view Path() const;   // After the token, "/" at least, without the query.
  std::string_view Query() const;  // After the first '?'.
  // The first value of a header, or "". Names ignore case.
  std::string_view Header(std::string_view name) const;
  // What it costs to keep, roughly.
  size_t Bytes() const;
};

// 8 to 64 of [A-Za-z0-9-].
bool IsToken(std::string_view text);
// The token of "/<token>/…", or "" when there is none.
std::string_view TokenOf(std::string_view target);
// "http://host/a?b" becomes "/a?b" (RFC 9112 3.2.2); other targets stay as they are.
void ToOriginForm(std::string& target);

// Takes credentials out of Authorization, Proxy-Authorization, Cookie and X-Api-Key. The scheme
// stays.
void MaskSecrets(std::vector<CapturedHeader>& headers);

}  // namespace apk::inspector
