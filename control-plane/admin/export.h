// What is taken out of a control plane by an export. Pure.
#pragma once

#include <functional>

#include "apk/v1/backup.pb.h"
#include "control-plane/admin/configuration.h"

namespace apk {

// Gives the parts to `send`, one after the other, until it says false: about 1 MiB each, at least
// one. Without the control plane's own objects (IsOwnObject).
void ExportObjects(const Configuration::View& view, const v1::ExportRequest& request,
                   const std::function<bool(const v1::ExportResponse&)>& send);

}  // namespace apk
