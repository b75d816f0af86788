// All matches of one hostname, in one piece of memory, so that a look-up meets few cache lines: a
// header with the hostname, groups of keys, and records of what begins at a key. Built once, then
// immutable and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

#include "data-plane/http/message.h"
#include "data-plane/routing/path_keys.h"
#include "data-plane/routing/route_table.h"

namespace apk {

struct RequestMatch;

// What is asked for, and what is worked out of it once for all hostnames that take it.
struct PathQuery {
  explicit PathQuery(const RequestHead& head) : request(head), keys(head.path) {}

  const RequestHead& request;
  PathKeys keys;
};

// Exact paths win over regular expressions, these over prefixes; a longer base path or prefix wins
// over a shorter one, a longer expression over a shorter one; then GoesBefore.
class PathIndex {
 public:
  static constexpr size_t kLine = 64;
  static constexpr size_t kGroupKeys = 12;

  // Where an index begins; read before any object is.
  struct Place {
    const std::byte* data = nullptr;
    uint32_t group_mask = 0;

    bool Find(const PathQuery& query, RouteMatch& found) const;
    std::string_view host() const;
  };

  PathIndex(size_t bytes, uint32_t group_mask);
  const Place& place() const { return place_; }

 private:
  friend class PathIndexBuilder;

  struct Header {
    uint32_t host_size;
    uint32_t host_offset;
    uint32_t longest;  // Key of an expression or a prefix; no look-up beyond it.
    uint32_t depths;   // A bit for each depth (see PathKeys) that such keys have.
    bool exact;        // Has some,
    bool expressions;  // likewise.
  };
  // One line: up to twelve keys, by their hashes; the keys that found no room are in the next one.
  struct alignas(kLine) Group {
    uint64_t tags[2];  // A byte of the hash each; 0 is free. The last bit: has overflown.
    uint32_t records[kGroupKeys];  // Where they are, from the beginning of the index.
  };
  // What begins at one key: entries of each kind follow, in order of precedence, then the key, then
  // the programs of expressions.
  struct Record {
    uint32_t key_size;
    uint32_t exact;
    uint32_t expressions;
    uint32_t prefixes;
  };
  struct Entry {
    const Rule* rule;
    const RequestMatch* match;
    uint32_t base_size;  // Of its base path.
    uint32_t path_size;
    uint32_t program;       // Of an expression: from the beginning of the record,
    uint16_t program_size;  // 0 is none.
    uint8_t method;         // See MethodNumber.
    uint8_t flags;

    static bool LongerFirst(const Entry& a, const Entry& b);
  };
  enum Flags : uint8_t {
    kTolerant = 1,
    kConditions = 2,  // That only `match` knows.
    kGroups = 4,
  };
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete(bytes, std::align_val_t(kLine)); }
  };
  class Look;
  static constexpr uint64_t kOverflow = uint64_t{1} << 63;

  static constexpr uint8_t kAnyMethod = 0;
  static constexpr uint8_t kOtherMethod = 255;           // Only `match` knows it.
  static uint8_t MethodNumber(std::string_view method);  // "" is any.

  // Never near 0, so that no key equals a free place.
  static uint64_t TagOf(uint64_t hash) { return (hash >> 56) | 0x80; }
  static size_t GroupOf(uint64_t hash, uint32_t mask) { return (hash >> 24) & mask; }

  std::unique_ptr<std::byte[], Free> memory_;
  Place place_;
};

}  // namespace apk
