// HTTP/1.1 heads from bytes, strictly (RFC 9112). Pure. A head is first found whole, then parsed
// once, so that a client that sends byte by byte costs no more than one that does not. Whatever two
// parsers could read in two ways is refused: obs-fold, bare CR or LF, white space before the colon,
// repeated Host or Content-Length, any Transfer-Encoding that is not exactly "chunked", both
// lengths at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

// Of the name of a field; no limit of the whole head is that low.
inline constexpr size_t kFieldNameBytesMax = 1024;

struct HeadLimits {
  size_t request_line_bytes_max = 16 * 1024;
  size_t head_bytes_max = 64 * 1024;
  size_t fields_max = 128;
};

enum class HeadError : uint8_t {
  kNone,
  kMalformed,      // 400
  kTargetTooLong,  // 414
  kHeadTooLarge,   // 431
  kVersion,        // 505
};

// Where a head ends, over as many reads as it takes.
class HeadScanner {
 public:
  enum class State : uint8_t { kIncomplete, kComplete, kError };

  // `bytes` begins where the head begins and has grown since the last call. Empty lines before a
  // request are counted in head_begin() (RFC 9112 2.2). kComplete: head_end() is one past the last
  // LF.
  State Scan(std::string_view bytes, const HeadLimits& limits);

  size_t head_begin() const { return begin_; }
  size_t head_end() const { return end_; }
  HeadError error() const { return error_; }
  void Reset() { *this = HeadScanner(); }

 private:
  bool CheckSize(size_t line_size, size_t end, const HeadLimits& limits);

  size_t begin_ = 0;
  size_t line_ = 0;     // Where the line that is being scanned begins.
  size_t scanned_ = 0;  // No LF before this, within the line.
  size_t end_ = 0;
  size_t lines_ = 0;
  HeadError error_ = HeadError::kNone;
};

// A field of a head or of trailers; views into the line.
struct FieldLine {
  std::string_view name;
  std::string_view value;  // Without white space around it.
};

// nullopt where `line` (without its CRLF) is no field: a name that is no token, obs-fold, white
// space before the colon, control characters.
std::optional<FieldLine> ParseFieldLine(std::string_view line);

// What Content-Length says.
struct DeclaredLength {
  bool present = false;
  uint64_t bytes = 0;
};

// nullopt where it is repeated or anything but 1 to 18 digits.
std::optional<DeclaredLength> ReadContentLength(const HeaderMap& headers);

// RFC 9110 5.6.2 and 5.5.
bool IsToken(std::string_view text);
bool IsFieldValue(std::string_view text);

// `head` is one whole head with its final empty line. On error `out` is unspecified.
HeadError ParseRequestHead(std::string_view head, const HeadLimits& limits, RequestHead& out);

// `request_was_head` and the status decide whether a body follows (RFC 9112 6.3).
HeadError ParseResponseHead(std::string_view head, const HeadLimits& limits, bool request_was_head,
                            ResponseHead& out);

}  // namespace apk
