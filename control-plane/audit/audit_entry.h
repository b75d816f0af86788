// One line of the audit log: who did what to which objects, or was refused it. Pure.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"

namespace apk {

struct AuditEntry {
  std::string time;       // RFC 3339, with milliseconds.
  std::string user;       // The URI of the certificate.
  std::string address;    // Where the request came from.
  std::string api;        // grpc, kubernetes
  std::string verb;       // apply, delete, rollback, …
  std::string result;     // OK, or why it was refused: PermissionDenied, …
  std::string message;    // Of what was refused; "" else.
  uint64_t revision = 0;  // That it became; 0: none.
  // Of what was refused: the objects that were asked for, without an action.
  std::vector<v1::ObjectResult> objects;
};

// JSON and a line break. Objects that did not change are only counted, and of very many objects
// only the first are named. No value of any object is in it, only paths of fields; where a Secret
// is among the objects the message, which may quote what was sent, is left out, too.
std::string ToLine(const AuditEntry& entry);

// "Forbidden", as Kubernetes words what a call was answered; "OK".
std::string ResultWord(absl::StatusCode code);

// What an entry has of a result.
v1::ObjectResult ForAudit(const v1::ObjectResult& result);

// The time that entries carry.
std::string AuditTimeNow();

}  // namespace apk
