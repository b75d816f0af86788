// Heads to bytes. Pure. What is written is what was parsed: names and values as checked by the
// parser, framing fields anew from BodyFraming, never the bytes received.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

// What is sent upstream beside the fields of the head.
struct OutgoingRequest {
  const RequestHead* head = nullptr;
  std::string_view base_path;  // Put before the path.
  std::string_view host;
  std::string_view mirror_mark;  // For a mirror: a comment on the gateway's own member of Via.
  std::string_view trace_parent = {};  // Instead of the head's; "": as there.
};

// A whole request head: request line, Host, the head's fields except Host and framing, framing
// anew.
void AppendRequestHead(std::string& out, const OutgoingRequest& request);
void AppendStatusLine(std::string& out, uint16_t status, std::string_view reason);
void AppendField(std::string& out, std::string_view name, std::string_view value);
// Content-Length or Transfer-Encoding; nothing for kNone and kUntilClose.
void AppendFraming(std::string& out, const BodyFraming& framing);
void AppendHeadEnd(std::string& out);

// "1f\r\n", into a buffer of at least 20 bytes; returns the size.
size_t FormatChunkHeader(char* buffer, size_t chunk_size);

void AppendNumber(std::string& out, uint64_t number);

// The registered phrase (RFC 9110 15), "" for unknown codes.
std::string_view ReasonPhrase(uint16_t status);

}  // namespace apk
