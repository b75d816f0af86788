// Bounded, so that a queue of spans is.
#include "data-plane/tracing/span.h"

#include <algorithm>

#include "common/strings.h"

namespace apk {

void Span::Set(std::string_view key, std::string_view text) {
  attributes.push_back({key, std::string(CutUtf8(text, kTextBytesMax))});
}

void Span::Set(std::string_view key, int64_t number) { attributes.push_back({key, number}); }

void Span::Set(std::string_view key, bool yes) { attributes.push_back({key, yes}); }

void Span::Fail(std::string_view type) {
  failed = true;
  Set("error.type", type);
}

// The calendar may have been put back meanwhile.
void Span::End(WallTime at) { ended = std::max(at, begun); }

}  // namespace apk
