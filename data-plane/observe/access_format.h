// What one request is written down as: a line of JSON, or of text by a template. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

// One request and its answer. Views are of whatever the writer of the line has; "" is unknown or none.
struct AccessRecord {
  std::chrono::system_clock::time_point time;  // When the request had come in.
  std::string_view client;                     // IP address.
  std::string_view listener;                   // Name of its resource in the snapshot.
  std::string_view method;
  std::string_view host;  // As received, with port.
  std::string_view path;  // The target as received, query included.
  std::string_view protocol;
  uint64_t status = 0;     // Of the head that was sent; 0: none was.
  uint64_t bytes_in = 0;   // Of the request's body, without framing, as far as it was read,
  uint64_t bytes_out = 0;  // and of the answer's.
  std::chrono::microseconds duration{0};
  std::chrono::microseconds upstream{-1};  // Until the backend's head, all tries; -1: there was none.
  std::string_view route;                  // namespace/name
  std::string_view rule;
  std::string_view backend;
  std::string_view endpoint;  // host:port
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view user_agent;
  std::string_view tls;  // "TLSv1.3"
  std::string_view server_name;
  std::string_view failure;  // Why it is no backend's answer, or no whole one.
};

class AccessFormat {
 public:
  // "json", or a template: text with fields in braces ("{client} \"{method} {path}\" {status}"), where
  // "{{" and "}}" are braces. An error names the field and where it stands, counted from 1.
  static absl::StatusOr<AccessFormat> Parse(std::string_view text);

  // Appends one line, its end included. Values are escaped and cut to kValueBytesMax; in text an absent one
  // is "-", in JSON it has no member.
  void Append(const AccessRecord& record, std::string& out) const;

  static constexpr size_t kValueBytesMax = 4096;  // Before escaping.

 private:
  struct Piece {
    std::string literal;  // Stands before the field.
    size_t field;         // Index into the fields there are; their number: none.
  };
  void AppendJson(const AccessRecord& record, std::string& out) const;

  std::vector<Piece> pieces_;
  bool json_ = false;
};

// RFC 3339 in UTC with microseconds: "2024-05-06T07:08:09.012345Z".
void AppendTime(std::string& out, std::chrono::system_clock::time_point time);

}  // namespace apk
