// A prepared statement of SQLite, and its errors in our words. Used by one thread at a time.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace apk {

class Statement {
 public:
  // `sql` is one statement with "?" for what is bound.
  Statement(sqlite3* database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Text(int index, const std::string& value);
  Statement& Blob(int index, const std::string& value);
  Statement& Number(int index, int64_t value);
  // True while there is a row; whether all went well is in Status().
  bool Next();
  // To its end; then it can be bound anew.
  absl::Status Run();
  absl::Status Status() const;
  int64_t NumberAt(int column);
  std::string TextAt(int column);

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int code_;
};

// DATA_LOSS where the file is damaged, RESOURCE_EXHAUSTED where the disk is full.
absl::Status SqliteError(sqlite3* database, int code, std::string_view what);
absl::Status Execute(sqlite3* database, const char* sql);
// All that `write` does, or nothing.
absl::Status InTransaction(sqlite3* database, const std::function<absl::Status()>& write);

}  // namespace apk
