// Kinds come in their registry's order, which has namespaces first.
#include "control-plane/admin/export.h"

#include "control-plane/resources/own_objects.h"

namespace apk {
namespace {

constexpr size_t kPartBytes = 1 << 20;

bool Wanted(const v1::ExportRequest& request, const Kind& kind, const ResourceKey& key) {
  if (IsOwnObject(key)) return false;
  if (request.namespace_().empty() || key.namespace_name == request.namespace_()) return true;
  return kind.group.empty() && kind.name == "Namespace" && key.name == request.namespace_();
}

}  // namespace

void ExportObjects(const Configuration::View& view, const v1::ExportRequest& request,
                   const std::function<bool(const v1::ExportResponse&)>& send) {
  v1::ExportResponse part;
  part.set_revision(view.revision);
  size_t bytes = 0;
  uint32_t left_out = 0;
  for (const Kind& kind : AllKinds()) {
    const bool secret = kind.group.empty() && kind.name == "Secret";
    for (const ResourcePtr& object : view.resources->OfKind(kind.group, kind.name)) {
      if (!Wanted(request, kind, KeyOf(*object))) continue;
      if (secret && !request.secrets()) {
        ++left_out;
        continue;
      }
      part.add_objects()->PackFrom(*object);
      bytes += part.objects(part.objects_size() - 1).value().size();
      if (bytes < kPartBytes) continue;
      if (!send(part)) return;
      part.clear_objects();
      bytes = 0;
    }
  }
  part.set_secrets_left_out(left_out);
  send(part);
}

}  // namespace apk
