// Tries: an object with what it was before is one to blame where the resources are then what they
// were before, too.
#include "control-plane/rollout/culprits.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/strings.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/translator.h"

namespace apk {
namespace {

constexpr size_t kCulpritsMax = 5;  // That are not named.

std::string HashIn(const SharedSnapshot& snapshot, const std::string& name) {
  const SharedResource* const resource = snapshot.Find(name);
  return resource == nullptr ? "" : (*resource)->hash();
}

class Trials {
 public:
  Trials(const std::set<std::string>& names, const ResourceSet& before, const ResourceSet& after,
         const SharedSnapshot& accepted)
      : names_(names), before_(before), after_(after), accepted_(accepted) {}

  bool Explain(const std::vector<ResourceKey>& keys) {
    ResourceSet tried = after_;
    for (const ResourceKey& key : keys) {
      const ResourcePtr was = before_.Find(key);
      if (was == nullptr) {
        tried.Remove(key);
      } else {
        tried.Put(was);
      }
    }
    const SnapshotPtr made = translator_.Translate(std::move(tried), {}, 1, "").snapshot->whole();
    return std::all_of(names_.begin(), names_.end(), [&](const std::string& name) {
      return HashIn(*made, name) == HashIn(accepted_, name);
    });
  }

 private:
  const std::set<std::string>& names_;
  const ResourceSet& before_;
  const ResourceSet& after_;
  const SharedSnapshot& accepted_;
  Translator translator_;
};

std::vector<ResourceKey> Join(std::vector<ResourceKey> keys, const std::vector<ResourceKey>& others,
                              size_t count) {
  keys.insert(keys.end(), others.begin(), others.begin() + static_cast<std::ptrdiff_t>(count));
  return keys;
}

}  // namespace

ResourceKey ObjectNamed(const std::string& resource) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kFolders = {
      {{"route", "HTTPRoute"},
       {"grpc-route", "GRPCRoute"},
       {"tls-route", "TLSRoute"},
       {"listener", "Gateway"}}};
  const std::string_view name = std::string_view(resource).substr(0, resource.find(' '));
  const std::vector<std::string_view> parts = Split(name, '/');
  if (parts.size() < 3) return {};
  for (const auto& [folder, kind] : kFolders) {
    if (parts[0] != folder) continue;
    return {.group = kGatewayGroup,
            .kind = std::string(kind),
            .namespace_name = std::string(parts[1]),
            .name = std::string(parts[2])};
  }
  return {};
}

std::vector<ResourceKey> FindCulprits(const std::set<std::string>& names, const ResourceSet& before,
                                      const ResourceSet& after,
                                      const std::vector<ResourceKey>& changes,
                                      const SharedSnapshot& accepted) {
  if (names.empty() || changes.empty()) return {};
  Trials trials(names, before, after, accepted);
  std::set<ResourceKey> named;
  for (const std::string& name : names) named.insert(ObjectNamed(name));
  std::vector<ResourceKey> candidates = changes;
  const auto rest =
      std::stable_partition(candidates.begin(), candidates.end(),
                            [&named](const ResourceKey& key) { return named.contains(key); });
  std::vector<ResourceKey> culprits(candidates.begin(), rest);
  if (!culprits.empty() && trials.Explain(culprits)) return culprits;
  if (!trials.Explain(changes)) return {};
  culprits.clear();
  // One after the other: the last of the shortest beginning that explains it together with those
  // that are found already.
  while (culprits.empty() || !trials.Explain(culprits)) {
    if (culprits.size() == kCulpritsMax) return {};
    size_t too_few = 0;
    size_t enough = candidates.size();
    while (enough - too_few > 1) {
      const size_t middle = (too_few + enough) / 2;
      (trials.Explain(Join(culprits, candidates, middle)) ? enough : too_few) = middle;
    }
    culprits.push_back(candidates[enough - 1]);
    candidates.resize(enough - 1);
    if (candidates.empty()) break;
  }
  return culprits;
}

}  // namespace apk
