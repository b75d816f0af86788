// One entry of a rule's `matches`: what a request must be beside its host. Immutable; thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "data-plane/http/message.h"
#include "data-plane/routing/full_matcher.h"
#include "data-plane/routing/route_table.h"

namespace apk {

enum class PathKind : uint8_t { kExact, kRegularExpression, kPrefix };

struct ValueMatch {
  std::string name;
  std::string value;
  std::optional<FullMatcher> expression;  // Instead of value.

  bool Accepts(std::string_view text) const;
};

struct RequestMatch {
  PathKind path_kind = PathKind::kPrefix;
  std::string path;                       // As written; a prefix without its trailing slash.
  std::optional<FullMatcher> expression;  // kRegularExpression.
  std::string method;                     // "" is any.
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query_params;

  // Where it stands among equals.
  const Rule* rule = nullptr;
  int64_t created_unix_seconds = 0;
  uint32_t index = 0;         // In its rule.
  bool wants_groups = false;  // A rewrite of the rule refers to them.
  bool tolerant = false;      // Of an API: one trailing slash more is allowed, and dropped.

  // Method, header fields and query; the path is the caller's business.
  bool AcceptsBesidePath(const RequestHead& request) const;
};

// `tolerant`: the match belongs to an API with a base path, whose Exact and RegularExpression
// matches allow one trailing slash.
absl::StatusOr<RequestMatch> CompileMatch(const v1::RequestMatchConfig& config, bool tolerant);

// True where `a` goes before `b` by everything but host and path.
bool GoesBefore(const RequestMatch& a, const RequestMatch& b);

}  // namespace apk
