// What most of the control plane includes and none of it changes, compiled once: the standard library
// and the generated messages.
#pragma once

#include <absl/status/statusor.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
