// Making, finding and filling bins.
#include "data-plane/inspector/bins.h"

#include <utility>

#include "common/strings.h"

namespace apk::inspector {

std::shared_ptr<LiveBin> Bins::Find(std::string_view token) const {
  const auto found = bins_.find(token);
  return found == bins_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<LiveBin>> Bins::Create(std::string_view token) {
  if (!IsToken(token)) {
    return absl::InvalidArgumentError("a bin's name is 8 to 64 letters, digits and hyphens");
  }
  if (std::shared_ptr<LiveBin> bin = Find(token); bin != nullptr) return bin;
  if (bins_.size() >= options_.bins_max) {
    return absl::ResourceExhaustedError(
        Concat("there are ", std::to_string(options_.bins_max), " bins already; remove one"));
  }
  auto bin = std::make_shared<LiveBin>(options_.limits);
  bins_.emplace(token, bin);
  return bin;
}

bool Bins::Remove(std::string_view token) {
  const auto found = bins_.find(token);
  if (found == bins_.end()) return false;
  found->second->removed = true;
  found->second->NotifyChanged();
  bins_.erase(found);
  return true;
}

absl::Status Bins::Capture(CapturedRequest request) {
  ToOriginForm(request.target);
  const std::string_view token = TokenOf(request.target);
  if (token.empty()) return absl::InvalidArgumentError("send to /<bin>/...");
  std::shared_ptr<LiveBin> bin = Find(token);
  if (bin == nullptr) {
    if (!options_.accept_unknown) return absl::NotFoundError("no such bin");
    absl::StatusOr<std::shared_ptr<LiveBin>> created = Create(token);
    if (!created.ok()) return created.status();
    bin = *std::move(created);
  }
  if (options_.mask_secrets) MaskSecrets(request.headers);
  bin->bin.Add(std::move(request));
  bin->NotifyChanged();
  return absl::OkStatus();
}

}  // namespace apk::inspector
