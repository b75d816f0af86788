// What a client brings back so that its requests go to one endpoint (Gateway API,
// SessionPersistence): which one, since when, and a signature, so that any agent takes it and
// nobody else makes it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data-plane/http/message.h"
#include "data-plane/routing/route_table.h"

namespace apk {

struct Session {
  SessionPersistence::Target target;
  int64_t begun_ms = 0;  // Unix time, as is now_ms below.
  int64_t seen_ms = 0;   // When its value was last given out.
};

// The session that the request belongs to. None where it brings no value, or one that is not ours,
// timed out, or of an endpoint that is gone.
std::optional<Session> FindSession(const SessionPersistence& policy, const HeaderMap& headers,
                                   int64_t now_ms);

std::string SessionValue(const SessionPersistence& policy, const Session& session);

// True where the client needs a new value to stay within the idle time-out.
bool NeedsRenewal(const SessionPersistence& policy, const Session& session, int64_t now_ms);

// Gives the client the session's value. `secure`: it came over TLS.
void GrantSession(const SessionPersistence& policy, const Session& session, bool secure,
                  int64_t now_ms, ResponseHead& response);

}  // namespace apk
