// SQLite's C interface behind a few methods.
#include "control-plane/store/sqlite_statement.h"

#include <sqlite3.h>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {

absl::Status SqliteError(sqlite3* database, int code, std::string_view what) {
  const std::string message = Concat(what, ": ", sqlite3_errmsg(database));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          Concat(message, ": the file is damaged; restore a back-up of it, without its -wal file"));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          Concat(message, ": nothing was changed; make room and try again"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(message);
    default:
      return absl::UnavailableError(message);
  }
}

Statement::Statement(sqlite3* database, const char* sql) : database_(database) {
  code_ = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::Text(int index, const std::string& value) {
  sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::Blob(int index, const std::string& value) {
  sqlite3_bind_blob(statement_, index, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::Number(int index, int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
  return *this;
}

bool Statement::Next() {
  if (code_ != SQLITE_OK && code_ != SQLITE_ROW) return false;
  code_ = sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

absl::Status Statement::Run() {
  while (Next()) {
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  const absl::Status status = Status();
  if (status.ok()) code_ = SQLITE_OK;
  return status;
}

absl::Status Statement::Status() const {
  if (code_ == SQLITE_OK || code_ == SQLITE_DONE || code_ == SQLITE_ROW) return absl::OkStatus();
  return SqliteError(database_, code_, "store");
}

int64_t Statement::NumberAt(int column) { return sqlite3_column_int64(statement_, column); }

std::string Statement::TextAt(int column) {
  const void* const bytes = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return std::string(static_cast<const char*>(bytes), size);
}

absl::Status Execute(sqlite3* database, const char* sql) {
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database, code, "store");
}

absl::Status InTransaction(sqlite3* database, const std::function<absl::Status()>& write) {
  RETURN_IF_ERROR(Execute(database, "BEGIN IMMEDIATE"));
  absl::Status written = write();
  if (written.ok()) written = Execute(database, "COMMIT");
  if (!written.ok()) Execute(database, "ROLLBACK").IgnoreError();
  return written;
}

}  // namespace apk
