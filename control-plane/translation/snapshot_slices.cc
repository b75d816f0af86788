// A route's resource has attachments to Gateways of one selector alone (translate.cc sees to that),
// so that a slice is made of the whole's resources as they are.
#include "control-plane/translation/snapshot_slices.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "common/strings.h"
#include "control-plane/translation/references.h"

namespace apk {
namespace {

using Names = absl::flat_hash_set<std::string_view, StringHash, std::equal_to<>>;

class Cut {
 public:
  // `withheld`: Gateways.
  Cut(const SharedSnapshot& whole, const std::set<std::string_view>& withheld) {
    for (const SharedResource& resource : whole.resources) {
      if (resource->has_listener() && !withheld.contains(resource->listener().gateway())) {
        Take(*resource, resource->listener());
      }
    }
    for (const SharedResource& resource : whole.resources) {
      if (resource->has_route()) TakeIfAttached(*resource, resource->route());
      if (resource->has_tls_route()) TakeIfAttached(*resource, resource->tls_route());
    }
  }

  bool Has(const v1::SnapshotResource& resource) const {
    return resource.has_installation() || names_.contains(resource.name());
  }

 private:
  template <class Config>
  void Take(const v1::SnapshotResource& resource, const Config& config) {
    names_.insert(resource.name());
    ForEachReference(config, [this](const std::string& name) { names_.insert(name); });
  }

  template <class Route>
  void TakeIfAttached(const v1::SnapshotResource& resource, const Route& route) {
    if (route.attachments().empty()) return;
    if (names_.contains(route.attachments(0).listener())) Take(resource, route);
  }

  Names names_;  // Of what is taken and what that refers to; they live in the whole.
};

SnapshotPtr Slice(const SharedSnapshot& whole, const std::vector<bool>& selected) {
  std::set<std::string_view> withheld;
  for (size_t i = 0; i < selected.size(); ++i) {
    if (!selected[i]) withheld.insert(whole.scopes[i].gateway);
  }
  const Cut cut(whole, withheld);
  auto slice = std::make_shared<SharedSnapshot>();
  slice->revision = whole.revision;
  for (const SharedResource& resource : whole.resources) {
    if (cut.Has(*resource)) slice->resources.push_back(resource);
  }
  slice->version = VersionOf(slice->resources);
  return slice;
}

SnapshotPtr AtRevision(const SharedSnapshot& snapshot, uint64_t revision) {
  auto copy = std::make_shared<SharedSnapshot>(snapshot);
  copy->revision = revision;
  return copy;
}

}  // namespace

SnapshotPtr SnapshotSlices::For(const Labels& labels) const {
  std::vector<bool> selected;
  for (const GatewayScope& scope : whole_->scopes) {
    selected.push_back(scope.agents.labels.Matches(labels));
  }
  if (std::find(selected.begin(), selected.end(), false) == selected.end()) return whole_;
  const std::lock_guard lock(mutex_);
  SnapshotPtr& slice = slices_[selected];
  if (slice == nullptr) slice = Slice(*whole_, selected);
  return slice;
}

std::shared_ptr<const SnapshotSlices> SnapshotSlices::At(uint64_t revision) const {
  auto copy = std::make_shared<SnapshotSlices>(AtRevision(*whole_, revision));
  const std::lock_guard lock(mutex_);
  for (const auto& [selected, slice] : slices_) {
    copy->slices_[selected] = AtRevision(*slice, revision);
  }
  return copy;
}

std::shared_ptr<const SnapshotSlices> SnapshotSlices::Holding(std::vector<uint64_t> held) const {
  auto copy = std::make_shared<SharedSnapshot>(*whole_);
  copy->held = std::move(held);
  return std::make_shared<SnapshotSlices>(std::move(copy));
}

bool SnapshotSlices::SameAs(const SnapshotSlices& other) const {
  return whole_->version == other.whole_->version && whole_->scopes == other.whole_->scopes;
}

}  // namespace apk
