// Parts of a table by name, and the change from one list of them to the next.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

namespace apk {

// Sorted by name; T has a name and a hash.
template <class T>
using PartList = std::vector<std::shared_ptr<const T>>;

// nullptr where there is none of that name.
template <class T>
const T* FindPart(const PartList<T>& parts, std::string_view name) {
  const auto it =
      std::lower_bound(parts.begin(), parts.end(), name,
                       [](const auto& part, std::string_view key) { return part->name < key; });
  return it == parts.end() || (*it)->name != name ? nullptr : it->get();
}

// Goes over the parts of the table before, in step with the resources of the new snapshot.
template <class T>
class PartsBefore {
 public:
  explicit PartsBefore(const PartList<T>& parts) : parts_(parts) {}

  // The part of that name and hash; nullptr where it is new or has changed. REQUIRES: names come in
  // order. A resource without a hash is never the same.
  std::shared_ptr<const T> Take(std::string_view name, std::string_view hash) {
    while (next_ < parts_.size() && parts_[next_]->name < name) gone_.insert(parts_[next_++].get());
    if (next_ == parts_.size() || parts_[next_]->name != name) return nullptr;
    const std::shared_ptr<const T>& part = parts_[next_++];
    if (!hash.empty() && part->hash == hash) return part;
    gone_.insert(part.get());
    return nullptr;
  }
  // Those that were not taken. Call once, after the last Take.
  const absl::flat_hash_set<const void*>& Gone() {
    while (next_ < parts_.size()) gone_.insert(parts_[next_++].get());
    return gone_;
  }

 private:
  const PartList<T>& parts_;
  size_t next_ = 0;
  absl::flat_hash_set<const void*> gone_;
};

}  // namespace apk
