// Sizes are those of messages, as they are stored.
#include "control-plane/admin/quota.h"

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/admin/admission.h"
#include "control-plane/resources/own_objects.h"

namespace apk {
namespace {

int64_t BytesOf(const google::protobuf::Message& object) {
  const auto size = static_cast<int64_t>(object.ByteSizeLong());
  const auto* const status = object.GetDescriptor()->FindFieldByName("status");
  if (status == nullptr || !object.GetReflection()->HasField(object, status)) return size;
  return size -
         static_cast<int64_t>(object.GetReflection()->GetMessage(object, status).ByteSizeLong());
}

// One of the two that a namespace has a limit for.
struct Measure {
  const char* name;
  const char* flag;
  uint64_t limit;
  int64_t used;
  int64_t requested;  // In addition.
};

absl::Status CheckMeasure(const Measure& measure, const ResourceKey& about) {
  const auto limit = static_cast<int64_t>(measure.limit);
  if (limit == 0 || measure.requested <= 0 || measure.used + measure.requested <= limit) {
    return absl::OkStatus();
  }
  const auto amount = [&measure](int64_t count) {
    return Concat(measure.name, "=", std::to_string(count));
  };
  return absl::PermissionDeniedError(
      Concat(NameInErrors(about), " is forbidden: exceeded quota: namespace ", about.namespace_name,
             ", requested: ", amount(measure.requested), ", used: ", amount(measure.used),
             ", limited: ", amount(limit), " (", measure.flag, " of the control plane)"));
}

}  // namespace

void NamespaceQuota::Count(const ResourceSet& resources) {
  used_.clear();
  for (const auto& [key, object] : resources.resources()) Note(nullptr, object);
}

void NamespaceQuota::Note(const ResourcePtr& before, const ResourcePtr& after) {
  const ResourcePtr& object = after == nullptr ? before : after;
  if (object == nullptr) return;
  const std::string& name = MetadataOf(*object).namespace_();
  if (name.empty()) return;
  Usage& usage = used_[name];
  if (before != nullptr) {
    --usage.objects;
    usage.bytes -= BytesOf(*before);
  }
  if (after != nullptr) {
    ++usage.objects;
    usage.bytes += BytesOf(*after);
  }
  if (usage.objects == 0) used_.erase(name);
}

absl::Status NamespaceQuota::Check(const ResourceSet& resources,
                                   const std::map<ResourceKey, Operation>& operations) const {
  struct Requested {
    Usage usage;
    const ResourceKey* about = nullptr;  // The first that is more than before.
  };
  std::map<std::string, Requested> all;
  for (const auto& [key, operation] : operations) {
    if (key.namespace_name.empty() || key.namespace_name == kOwnNamespace) continue;
    const ResourcePtr before = resources.Find(key);
    Requested& requested = all[key.namespace_name];
    const int64_t objects = (operation.object != nullptr ? 1 : 0) - (before != nullptr ? 1 : 0);
    const int64_t bytes = (operation.object != nullptr ? BytesOf(*operation.object) : 0) -
                          (before != nullptr ? BytesOf(*before) : 0);
    requested.usage.objects += objects;
    requested.usage.bytes += bytes;
    if (requested.about == nullptr && (objects > 0 || bytes > 0)) requested.about = &key;
  }
  for (const auto& [name, requested] : all) {
    if (requested.about == nullptr) continue;
    const auto found = used_.find(name);
    const Usage used = found == used_.end() ? Usage() : found->second;
    RETURN_IF_ERROR(CheckMeasure({.name = "objects",
                                  .flag = "--limit-namespace-objects",
                                  .limit = options_.objects,
                                  .used = used.objects,
                                  .requested = requested.usage.objects},
                                 *requested.about));
    RETURN_IF_ERROR(CheckMeasure({.name = "bytes",
                                  .flag = "--limit-namespace-bytes",
                                  .limit = options_.bytes,
                                  .used = used.bytes,
                                  .requested = requested.usage.bytes},
                                 *requested.about));
  }
  return absl::OkStatus();
}

}  // namespace apk
