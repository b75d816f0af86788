// Binary search for the shortest beginning of the changes that is refused: its last one is found.
// Then all the others are tried, and the search begins anew among them where they are refused.
#include "control-plane/rollout/bisection.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace apk {
namespace {

constexpr int kFoundMax = 5;
constexpr int64_t kSearchMs = 30'000;
constexpr int64_t kReturnMs = 5000;

uint64_t RevisionOf(const google::protobuf::Message& object) {
  const std::string& text = MetadataOf(object).resource_version();
  uint64_t revision = 0;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

bool IsFound(const v1::StoredBisection& bisection, uint32_t number) {
  return std::find(bisection.found().begin(), bisection.found().end(), number) !=
         bisection.found().end();
}

uint32_t Left(const v1::StoredBisection& bisection) {
  return bisection.changes() - static_cast<uint32_t>(bisection.found_size());
}

// The number of the change that is the `place`-th of those that are not found.
uint32_t NumberAt(const v1::StoredBisection& bisection, uint32_t place) {
  for (uint32_t number = 0;; ++number) {
    if (!IsFound(bisection, number) && place-- == 0) return number;
  }
}

// True where it has an end.
bool GoOn(v1::StoredBisection& bisection) {
  if (bisection.bad() - bisection.good() > 1) {
    bisection.set_tried((bisection.good() + bisection.bad()) / 2);
    return false;
  }
  bisection.add_found(NumberAt(bisection, bisection.good()));
  bisection.set_bad(Left(bisection) + 1);  // Not known.
  bisection.set_tried(Left(bisection));
  return bisection.good() == Left(bisection);
}

}  // namespace

std::vector<ResourceKey> ChangesBetween(const ResourceSet& before, const ResourceSet& after) {
  std::vector<std::tuple<bool, uint64_t, ResourceKey>> changes;
  ResourceSet::Compare(
      before, after,
      [&changes](const ResourceKey& key, const ResourcePtr& was, const ResourcePtr& is) {
        if (ContentDigest(was.get()) == ContentDigest(is.get())) return;
        changes.emplace_back(is == nullptr, RevisionOf(is == nullptr ? *was : *is), key);
      });
  std::sort(changes.begin(), changes.end());
  std::vector<ResourceKey> keys;
  for (auto& [gone, revision, key] : changes) keys.push_back(std::move(key));
  return keys;
}

bool Begin(int64_t now_ms, v1::StoredBisection& bisection) {
  bisection.clear_found();
  bisection.set_good(0);
  bisection.set_bad(bisection.changes());
  bisection.set_begun_ms(now_ms);
  return GoOn(bisection);
}

bool Answered(bool accepted, v1::StoredBisection& bisection) {
  if (accepted) {
    bisection.set_good(bisection.tried());
    if (bisection.good() == Left(bisection)) return true;
  } else {
    bisection.set_bad(bisection.tried());
  }
  return GoOn(bisection);
}

bool IsHopeless(const v1::StoredBisection& bisection, int64_t now_ms) {
  return bisection.found_size() > kFoundMax || now_ms - bisection.begun_ms() > kSearchMs;
}

void Return(bool given_up, v1::StoredBisection& bisection) {
  bisection.set_returning(true);
  bisection.set_given_up(given_up);
  bisection.set_tried(0);
}

bool IsOver(const v1::StoredBisection& bisection, int64_t now_ms) {
  return now_ms - bisection.begun_ms() > kSearchMs + kReturnMs;
}

ResourceSet TriedOf(const v1::StoredBisection& bisection, const ResourceSet& before,
                    const ResourceSet& after, const std::vector<ResourceKey>& changes) {
  ResourceSet tried = after;
  uint32_t place = 0;
  for (uint32_t number = 0; number < changes.size(); ++number) {
    const bool found = IsFound(bisection, number);
    if (!found && place++ < bisection.tried()) continue;
    if (const ResourcePtr was = before.Find(changes[number]); was != nullptr) {
      tried.Put(was);
    } else {
      tried.Remove(changes[number]);
    }
  }
  return tried;
}

}  // namespace apk
