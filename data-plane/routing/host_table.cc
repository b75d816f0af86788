// The look-up walks from the most specific to the least: hostnames, then kinds of path, then
// lengths.
#include "data-plane/routing/host_table.h"

#include <algorithm>

namespace apk {
namespace {

std::string_view WithoutTrailingSlash(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// What of a literal ends with a segment, without the slash behind it.
std::string_view WholeSegments(std::string_view literal) {
  const size_t slash = literal.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : literal.substr(0, slash);
}

}  // namespace

void PathIndex::Add(const std::string& base_path, const RequestMatch& match) {
  const Entry entry{&match, static_cast<uint32_t>(base_path.size())};
  switch (match.path_kind) {
    case PathKind::kExact: {
      std::string key = Concat(base_path, match.path);
      // Below a base path "/" is the base path itself.
      if (entry.base_size > 0 && match.path == "/") key = base_path;
      exact_[key].push_back(entry);
      break;
    }
    case PathKind::kRegularExpression: {
      const std::string key = Concat(base_path, WholeSegments(match.expression->literal_prefix()));
      expressions_.longest = std::max(expressions_.longest, key.size());
      expressions_.entries[key].push_back(entry);
      break;
    }
    case PathKind::kPrefix: {
      const std::string key = Concat(base_path, match.path);
      prefixes_.longest = std::max(prefixes_.longest, key.size());
      prefixes_.entries[key].push_back(entry);
      break;
    }
  }
}

bool PathIndex::LongerFirst(const Entry& a, const Entry& b) {
  if (a.base_size != b.base_size) return a.base_size > b.base_size;
  if (a.match->path.size() != b.match->path.size()) {
    return a.match->path.size() > b.match->path.size();
  }
  return GoesBefore(*a.match, *b.match);
}

void PathIndex::Sort() {
  const auto by_precedence = [](const Entry& a, const Entry& b) {
    return GoesBefore(*a.match, *b.match);
  };
  for (auto& [key, entries] : exact_) std::sort(entries.begin(), entries.end(), by_precedence);
  for (auto& [key, entries] : prefixes_.entries) {
    std::sort(entries.begin(), entries.end(), by_precedence);
  }
  for (auto& [key, entries] : expressions_.entries) {
    std::sort(entries.begin(), entries.end(), LongerFirst);
  }
}

bool PathIndex::Find(const RequestHead& request, RouteMatch& found) const {
  const std::string_view path = request.path;
  if (!exact_.empty()) {
    if (FindExact(path, false, request, found)) return true;
    if (path.ends_with('/') && FindExact(WithoutTrailingSlash(path), true, request, found))
      return true;
  }
  if (FindExpression(request, found)) return true;
  return Walk(prefixes_, path, [&](const Entries& entries, size_t key_size) {
    for (const Entry& entry : entries) {
      if (!entry.match->AcceptsBesidePath(request)) continue;
      found.rule = entry.match->rule;
      found.path.base_path = path.substr(0, entry.base_size);
      found.path.prefix = path.substr(entry.base_size, key_size - entry.base_size);
      found.path.is_prefix = true;
      return true;
    }
    return false;
  });
}

// The first by LongerFirst of all that match, wherever they begin.
bool PathIndex::FindExpression(const RequestHead& request, RouteMatch& found) const {
  const Entry* best = nullptr;
  Walk(expressions_, request.path, [&](const Entries& entries, size_t) {
    for (const Entry& entry : entries) {
      if (best != nullptr && !LongerFirst(entry, *best)) break;
      if (!AcceptExpression(entry, request, found)) continue;
      best = &entry;
      break;
    }
    return false;
  });
  return best != nullptr;
}

bool PathIndex::FindExact(std::string_view key, bool dropped_slash, const RequestHead& request,
                          RouteMatch& found) const {
  const auto it = exact_.find(key);
  if (it == exact_.end()) return false;
  for (const Entry& entry : it->second) {
    if (dropped_slash && !entry.match->tolerant) continue;
    if (!entry.match->AcceptsBesidePath(request)) continue;
    found.rule = entry.match->rule;
    found.path.base_path = std::string_view(request.path).substr(0, entry.base_size);
    // What is left of "/base/" is "/", which is nothing to drop.
    found.path.drop_trailing_slash = dropped_slash && key.size() > entry.base_size;
    return true;
  }
  return false;
}

// Calls `accept` with the entries at each boundary of `path`, longest first, until it accepts.
template <class Accept>
bool PathIndex::Walk(const Tree& tree, std::string_view path, const Accept& accept) {
  if (tree.entries.empty()) return false;
  size_t end = path.size();
  if (path.ends_with('/')) --end;  // "/a/" has the boundaries of "/a".
  for (;;) {
    if (end <= tree.longest) {
      if (const auto it = tree.entries.find(path.substr(0, end)); it != tree.entries.end()) {
        if (accept(it->second, end)) return true;
      }
    }
    if (end == 0) return false;
    end = path.rfind('/', end - 1);
    if (end == std::string_view::npos) return false;
  }
}

bool PathIndex::AcceptExpression(const Entry& entry, const RequestHead& request,
                                 RouteMatch& found) {
  const RequestMatch& match = *entry.match;
  if (!match.method.empty() && match.method != request.method) return false;  // Cheapest first.
  const std::string_view path = request.path;
  std::string_view relative = path.substr(entry.base_size);
  if (relative.empty()) relative = "/";
  bool dropped_slash = false;
  if (!match.expression->Matches(relative)) {
    if (!match.tolerant || relative.size() < 2 || !relative.ends_with('/')) return false;
    relative.remove_suffix(1);
    dropped_slash = true;
    if (!match.expression->Matches(relative)) return false;
  }
  if (!match.AcceptsBesidePath(request)) return false;
  found.rule = match.rule;
  found.path.base_path = path.substr(0, entry.base_size);
  found.path.drop_trailing_slash = dropped_slash;
  found.path.groups.clear();
  if (match.wants_groups) found.path.groups = match.expression->Groups(relative);
  return true;
}

void HostTable::Put(std::string_view hostname, std::shared_ptr<const PathIndex> paths) {
  if (hostname.empty()) {
    any_ = std::move(paths);
    return;
  }
  const bool wildcard = hostname.starts_with("*.");
  Hosts& hosts = wildcard ? wildcards_ : exact_;
  std::string key(wildcard ? hostname.substr(1) : hostname);
  if (paths == nullptr) {
    hosts.erase(key);
  } else {
    hosts[std::move(key)] = std::move(paths);
  }
}

bool HostTable::Find(const RequestHead& request, RouteMatch& found) const {
  const std::string_view host = request.host;
  if (!exact_.empty()) {
    const auto it = exact_.find(host);
    if (it != exact_.end() && it->second->Find(request, found)) return true;
  }
  if (!wildcards_.empty()) {
    for (size_t dot = host.find('.'); dot != std::string_view::npos;
         dot = host.find('.', dot + 1)) {
      if (dot == 0) continue;  // A wildcard takes one label at least.
      const auto it = wildcards_.find(host.substr(dot));
      if (it != wildcards_.end() && it->second->Find(request, found)) return true;
    }
  }
  return any_ != nullptr && any_->Find(request, found);
}

bool HostnameTakes(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace apk
