// Which match of which rule wins, for one listener: hostnames to indexed paths. Built once on the
// discovery thread, then immutable and thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/strings.h"
#include "data-plane/http/message.h"
#include "data-plane/routing/request_match.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// All matches of one hostname. Exact paths win over regular expressions, these over prefixes; a
// longer base path or prefix wins over a shorter one, a longer expression over a shorter one; then
// GoesBefore.
class PathIndex {
 public:
  // `match` outlives the index.
  void Add(const std::string& base_path, const RequestMatch& match);
  void Sort();

  bool Find(const RequestHead& request, RouteMatch& found) const;

 private:
  struct Entry {
    const RequestMatch* match = nullptr;
    uint32_t base_size = 0;  // Of its base path.
  };
  // What begins at one segment boundary of a path.
  using Entries = std::vector<Entry>;
  // Keyed by a path without trailing slash ("" is the root), looked up at each '/' of the request.
  struct Tree {
    StringMap<Entries> entries;
    size_t longest = 0;  // Key; no look-up beyond it.
  };

  static bool LongerFirst(const Entry& a, const Entry& b);
  bool FindExact(std::string_view key, bool dropped_slash, const RequestHead& request,
                 RouteMatch& found) const;
  template <class Accept>
  static bool Walk(const Tree& tree, std::string_view path, const Accept& accept);
  bool FindExpression(const RequestHead& request, RouteMatch& found) const;
  static bool AcceptExpression(const Entry& entry, const RequestHead& request, RouteMatch& found);

  StringMap<Entries> exact_;  // Keyed by base path and path.
  // Keyed by base path and the whole segments that every match of the expression begins with, so
  // that a request meets few expressions that can't match.
  Tree expressions_;
  Tree prefixes_;  // Keyed by base path and prefix.
};

class HostTable {
 public:
  // `hostname`: "" (any), exact, or "*.suffix"; lower case. Replaces; nullptr takes it away.
  void Put(std::string_view hostname, std::shared_ptr<const PathIndex> paths);

  bool Find(const RequestHead& request, RouteMatch& found) const;

 private:
  using Hosts = StringMap<std::shared_ptr<const PathIndex>>;
  Hosts exact_;
  Hosts wildcards_;  // Keyed by ".suffix".
  std::shared_ptr<const PathIndex> any_;
};

// True where `pattern` ("", exact, "*.suffix") takes `host`; a wildcard takes one label or more.
bool HostnameTakes(std::string_view pattern, std::string_view host);

}  // namespace apk
