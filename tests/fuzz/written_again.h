// What must hold of every request head that was accepted, whatever protocol it came by: written as HTTP/1.1 it is
// one head, and asks for the same.
#pragma once

#include <string>
#include <string_view>

#include "data-plane/http/head_parser.h"
#include "data-plane/http/head_writer.h"
#include "tests/fuzz/require.h"

namespace apk {

// Both: `limits` are wider than those that `head` was read under, since some fields are added and "a:b" is written
// longer than it came.

inline std::string WriteOneHead(const RequestHead& head, const HeadLimits& limits) {
  OutgoingRequest outgoing;
  outgoing.head = &head;
  outgoing.host = head.authority.empty() ? "h" : std::string_view(head.authority);
  std::string written;
  AppendRequestHead(written, outgoing);
  HeadScanner scanner;
  Require(scanner.Scan(written, limits) == HeadScanner::State::kComplete, "a written head is whole");
  Require(scanner.head_end() == written.size(), "nothing stands behind a written head");
  return written;
}

inline void CheckReadAgain(std::string_view written, const RequestHead& head,
                           const HeadLimits& limits) {
  RequestHead again;
  Require(ParseRequestHead(written, limits, again) == HeadError::kNone, "a written head is read");
  Require(again.method == head.method && again.path == head.path && again.query == head.query &&
              again.has_query == head.has_query,
          "it asks for the same");
  Require(again.framing.kind == head.framing.kind && again.framing.length == head.framing.length,
          "its body is as long");
}

}  // namespace apk
