// What every change goes through, whichever API it comes by: the roles say who may, the audit log
// has who did. Either may be missing: then everybody with a user's certificate may do everything,
// or nothing is noted. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include "control-plane/access/roles_file.h"
#include "control-plane/audit/audit_log.h"

namespace apk {

class Gate {
 public:
  // Both may be nullptr; they outlive it.
  Gate(RolesFile* roles, AuditLog* audit) : roles_(roles), audit_(audit) {}

  bool has_roles() const { return roles_ != nullptr; }
  bool has_audit() const { return audit_ != nullptr; }

  // PERMISSION_DENIED where the roles don't allow it.
  absl::Status Check(const AccessRequest& request) const {
    return roles_ == nullptr ? absl::OkStatus() : roles_->Check(request);
  }
  // UNAVAILABLE while what is changed could not be noted.
  absl::Status ReadyToChange() const {
    return audit_ == nullptr ? absl::OkStatus() : audit_->Ready();
  }
  // Fills in the time.
  void NoteChange(AuditEntry entry) const;
  void NoteRefusal(AuditEntry entry) const;

 private:
  RolesFile* const roles_;
  AuditLog* const audit_;
};

}  // namespace apk
