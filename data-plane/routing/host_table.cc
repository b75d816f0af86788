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

}  // namespace

void PathIndex::Add(const std::string& base_path, std::shared_ptr<const RequestMatch> match) {
  const auto base_size = static_cast<uint32_t>(base_path.size());
  switch (match->path_kind) {
    case PathKind::kExact: {
      std::string key = Concat(base_path, match->path);
      // Below a base path "/" is the base path itself.
      if (base_size > 0 && match->path == "/") key = base_path;
      exact_[key].push_back({std::move(match), base_size});
      break;
    }
    case PathKind::kRegularExpression:
      expressions_.longest = std::max(expressions_.longest, base_path.size());
      expressions_.entries[base_path].push_back({std::move(match), base_size});
      break;
    case PathKind::kPrefix: {
      const std::string key = Concat(base_path, match->path);
      prefixes_.longest = std::max(prefixes_.longest, key.size());
      prefixes_.entries[key].push_back({std::move(match), base_size});
      break;
    }
  }
}

void PathIndex::Sort() {
  const auto by_precedence = [](const Entry& a, const Entry& b) {
    return GoesBefore(*a.match, *b.match);
  };
  const auto by_length = [](const Entry& a, const Entry& b) {
    if (a.match->path.size() != b.match->path.size()) {
      return a.match->path.size() > b.match->path.size();
    }
    return GoesBefore(*a.match, *b.match);
  };
  for (auto& [key, entries] : exact_)
    std::stable_sort(entries.begin(), entries.end(), by_precedence);
  for (auto& [key, entries] : prefixes_.entries) {
    std::stable_sort(entries.begin(), entries.end(), by_precedence);
  }
  for (auto& [key, entries] : expressions_.entries) {
    std::stable_sort(entries.begin(), entries.end(), by_length);
  }
}

bool PathIndex::Find(const RequestHead& request, RouteMatch& found) const {
  const std::string_view path = request.path;
  if (!exact_.empty()) {
    if (FindExact(path, false, request, found)) return true;
    if (path.ends_with('/') && FindExact(WithoutTrailingSlash(path), true, request, found))
      return true;
  }
  const auto by_expression = [&](const Entry& entry, size_t) {
    return AcceptExpression(entry, request, found);
  };
  if (Walk(expressions_, path, by_expression)) return true;
  return Walk(prefixes_, path, [&](const Entry& entry, size_t key_size) {
    if (!entry.match->AcceptsBesidePath(request)) return false;
    found.rule = entry.match->rule;
    found.path.base_path = path.substr(0, entry.base_size);
    found.path.prefix = path.substr(entry.base_size, key_size - entry.base_size);
    found.path.is_prefix = true;
    return true;
  });
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

// Calls `accept` for the entries at each boundary of `path`, longest first, until one accepts.
template <class Accept>
bool PathIndex::Walk(const Tree& tree, std::string_view path, const Accept& accept) {
  if (tree.entries.empty()) return false;
  size_t end = path.size();
  if (path.ends_with('/')) --end;  // "/a/" has the boundaries of "/a".
  for (;;) {
    if (end <= tree.longest) {
      if (const auto it = tree.entries.find(path.substr(0, end)); it != tree.entries.end()) {
        for (const Entry& entry : it->second) {
          if (accept(entry, end)) return true;
        }
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
  if (match.wants_groups) found.path.groups = match.expression->Groups(relative);
  return true;
}

void HostTable::Add(std::string_view hostname, const std::string& base_path,
                    const std::shared_ptr<const RequestMatch>& match) {
  if (hostname.empty() || hostname == "*") {
    any_.Add(base_path, match);
  } else if (hostname.starts_with("*.")) {
    wildcards_[std::string(hostname.substr(1))].Add(base_path, match);
  } else {
    exact_[std::string(hostname)].Add(base_path, match);
  }
}

void HostTable::Sort() {
  for (auto& [hostname, index] : exact_) index.Sort();
  for (auto& [hostname, index] : wildcards_) index.Sort();
  any_.Sort();
}

bool HostTable::Find(const RequestHead& request, RouteMatch& found) const {
  const std::string_view host = request.host;
  if (!exact_.empty()) {
    const auto it = exact_.find(host);
    if (it != exact_.end() && it->second.Find(request, found)) return true;
  }
  if (!wildcards_.empty()) {
    for (size_t dot = host.find('.'); dot != std::string_view::npos;
         dot = host.find('.', dot + 1)) {
      if (dot == 0) continue;  // A wildcard takes one label at least.
      const auto it = wildcards_.find(host.substr(dot));
      if (it != wildcards_.end() && it->second.Find(request, found)) return true;
    }
  }
  return any_.Find(request, found);
}

bool HostnameTakes(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace apk
