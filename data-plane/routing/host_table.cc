// The look-up walks from the most specific hostname to the least.
#include "data-plane/routing/host_table.h"

#include <utility>

#include "data-plane/routing/path_keys.h"

namespace apk {
namespace {

constexpr size_t kMinSlots = 4;

uint64_t HashOf(std::string_view host) { return HashOn(0, host); }

}  // namespace

size_t HostTable::Hosts::SlotOf(uint64_t hash, std::string_view key) const {
  const uint32_t tag = TagOf(hash);
  size_t at = FirstSlot(hash);
  for (; slots_[at].data != nullptr; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag == tag && slots_[at].place().host() == key) break;
  }
  return at;
}

PathIndex::Place HostTable::Hosts::Find(uint64_t hash, std::string_view key) const {
  return slots_[SlotOf(hash, key)].place();
}

void HostTable::Hosts::Insert(std::shared_ptr<const PathIndex> paths) {
  const std::string_view key = paths->place().host();
  const uint64_t hash = HashOf(key);
  const size_t at = SlotOf(hash, key);
  slots_[at] = {paths->place().data, paths->place().group_mask, TagOf(hash)};
  owners_[at] = std::move(paths);
}

// Closes the gap, as others may stand where they do because of what goes.
void HostTable::Hosts::Remove(size_t gap) {
  const size_t mask = slots_.size() - 1;
  for (size_t at = (gap + 1) & mask; slots_[at].data != nullptr; at = (at + 1) & mask) {
    const size_t first = FirstSlot(HashOf(slots_[at].place().host()));
    if (((at - first) & mask) < ((at - gap) & mask)) continue;  // It is found without the gap.
    slots_[gap] = slots_[at];
    owners_[gap] = std::move(owners_[at]);
    gap = at;
  }
  slots_[gap] = {};
  owners_[gap] = nullptr;
  --count_;
}

void HostTable::Hosts::Resize(size_t size) {
  std::vector<std::shared_ptr<const PathIndex>> before = std::exchange(owners_, {});
  slots_.assign(size, {});
  owners_.resize(size);
  for (auto& paths : before) {
    if (paths != nullptr) Insert(std::move(paths));
  }
}

void HostTable::Hosts::Put(std::string_view key, std::shared_ptr<const PathIndex> paths) {
  if (slots_.empty()) Resize(kMinSlots);
  const size_t at = SlotOf(HashOf(key), key);
  const bool known = owners_[at] != nullptr;
  if (paths == nullptr) {
    if (!known) return;
    Remove(at);
    return;
  }
  if (!known && ++count_ > slots_.size() / 2) Resize(slots_.size() * 2);
  Insert(std::move(paths));
}

std::string_view HostTable::KeyOf(std::string_view hostname) {
  return hostname.starts_with("*.") ? hostname.substr(1) : hostname;
}

void HostTable::Put(std::string_view hostname, std::shared_ptr<const PathIndex> paths) {
  if (hostname.empty()) {
    any_ = std::move(paths);
    return;
  }
  Hosts& hosts = hostname.starts_with("*.") ? wildcards_ : exact_;
  hosts.Put(KeyOf(hostname), std::move(paths));
}

bool HostTable::Find(const RequestHead& request, RouteMatch& found) const {
  const std::string_view host = request.host;
  const uint64_t hash = HashOf(host);
  if (!exact_.empty()) exact_.Prefetch(hash);  // Comes while the path is worked on.
  const PathQuery query(request);
  if (!exact_.empty()) {
    const PathIndex::Place place = exact_.Find(hash, host);
    if (place.data != nullptr && place.Find(query, found)) return true;
  }
  if (!wildcards_.empty()) {
    for (size_t dot = host.find('.'); dot != std::string_view::npos;
         dot = host.find('.', dot + 1)) {
      if (dot == 0) continue;  // A wildcard takes one label at least.
      const std::string_view suffix = host.substr(dot);
      const PathIndex::Place place = wildcards_.Find(HashOf(suffix), suffix);
      if (place.data != nullptr && place.Find(query, found)) return true;
    }
  }
  return any_ != nullptr && any_->place().Find(query, found);
}

bool HostnameTakes(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace apk
