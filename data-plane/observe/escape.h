// Values that clients chose, made harmless for a line of text or of JSON. Pure.
#pragma once

#include <string>
#include <string_view>

namespace apk {

// For between quotes in a line of text: control characters, '"', '\' and bytes that are no UTF-8 become
// \xHH (upper case), so that a value neither ends its quotes nor its line.
void AppendTextEscaped(std::string& out, std::string_view value);

// For between the quotes of a JSON string (RFC 8259 7). Bytes that are no UTF-8 become U+FFFD, one each.
void AppendJsonEscaped(std::string& out, std::string_view value);

// For between the quotes of a label's value (Prometheus text format 0.0.4). Bytes that are no UTF-8 become
// U+FFFD, one each.
void AppendLabelEscaped(std::string& out, std::string_view value);

// As it is, but that bytes that are no UTF-8 become U+FFFD, one each.
void AppendUtf8(std::string& out, std::string_view value);

}  // namespace apk
