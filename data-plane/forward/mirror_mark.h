// How a request that went to a mirror is known when it comes back, so that it is not mirrored
// again: by a comment on the gateway's member of Via (RFC 9110 7.6.3) that only the agents of one
// installation can make. One per worker; not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "data-plane/http/message.h"

struct evp_mac_ctx_st;

namespace apk {

// The comment holds a MAC of the request's X-Request-Id, which travels with the copy. Who reads
// what mirrors get can have no request left out but such as carry an id that was read there;
// clients see no mark at all, and the mark of another gateway means nothing here.
class MirrorMarks {
 public:
  MirrorMarks();
  ~MirrorMarks();
  MirrorMarks(const MirrorMarks&) = delete;
  MirrorMarks& operator=(const MirrorMarks&) = delete;

  // "(mirror 0123…)" for a copy of `request` as it goes out, until the next call; "" where OpenSSL
  // has no SipHash. `key` is the route table's mirror_loop_key.
  std::string_view For(std::string_view key, const RequestHead& request);
  // True for a copy that came back. Call before the request's fields are changed.
  bool IsOn(std::string_view key, const RequestHead& request);

 private:
  static constexpr size_t kMacBytes = 16;
  static constexpr std::string_view kPrefix = "(mirror ";

  struct Free {
    void operator()(evp_mac_ctx_st* context) const;
  };
  std::unique_ptr<evp_mac_ctx_st, Free> siphash_;
  std::array<char, kPrefix.size() + 2 * kMacBytes + 1> mark_;
};

}  // namespace apk
