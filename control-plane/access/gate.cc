// Entries get their time where they are noted.
#include "control-plane/access/gate.h"

namespace apk {

void Gate::NoteChange(AuditEntry entry) const {
  if (audit_ == nullptr) return;
  entry.time = AuditTimeNow();
  audit_->Note(entry);
}

void Gate::NoteRefusal(AuditEntry entry) const {
  if (audit_ == nullptr) return;
  entry.time = AuditTimeNow();
  audit_->NoteRefusal(entry);
}

}  // namespace apk
