// By identity first: an object that is in both sets is the same.
#include "control-plane/translation/changes.h"

#include <algorithm>
#include <string>

namespace apk {
namespace {

bool SameMap(const google::protobuf::Map<std::string, std::string>& a,
             const google::protobuf::Map<std::string, std::string>& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&b](const auto& entry) {
    const auto found = b.find(entry.first);
    return found != b.end() && found->second == entry.second;
  });
}

// The generation counts changes of what is outside metadata and status, where there is a spec.
bool SameInput(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  if (a.GetDescriptor()->FindFieldByName("spec") == nullptr) return false;
  const v1::ObjectMeta& left = MetadataOf(a);
  const v1::ObjectMeta& right = MetadataOf(b);
  return !left.uid().empty() && left.uid() == right.uid() &&
         left.generation() == right.generation() && SameMap(left.labels(), right.labels()) &&
         SameMap(left.annotations(), right.annotations());
}

std::string ServiceOf(const google::protobuf::Message& slice) {
  const auto& labels = MetadataOf(slice).labels();
  const auto service = labels.find("kubernetes.io/service-name");
  return service == labels.end() ? "" : service->second;
}

}  // namespace

bool Changes::Touch(const Reads& reads_of_piece) const {
  return !reads.empty() &&
         std::any_of(reads_of_piece.begin(), reads_of_piece.end(),
                     [this](uint64_t read) { return reads.contains(read); });
}

Changes FindChanges(const ResourceSet& before, const ResourceSet& after) {
  Changes changes;
  ResourceSet::Compare(
      before, after,
      [&changes](const ResourceKey& key, const ResourcePtr& was, const ResourcePtr& is) {
        if (was != nullptr && is != nullptr && SameInput(*was, *is)) return;
        changes.reads.insert(HashOfRead(key));
        changes.reads.insert(HashOfRead(key.group, key.kind));
        if (key.kind != "EndpointSlice") return;
        for (const ResourcePtr& slice : {was, is}) {
          if (slice == nullptr) continue;
          changes.reads.insert(HashOfSlicesRead(key.namespace_name, ServiceOf(*slice)));
        }
      });
  return changes;
}

}  // namespace apk
