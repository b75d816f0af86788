// meta.k8s.io/v1 Tables: what kubectl asks for to print rows. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "control-plane/resources/resource_set.h"

namespace apk {

// True where the Accept header has a Table before anything else that we could give.
bool WantsTable(const std::string& accept);

struct ApiTableOptions {
  std::string version;                      // Of the kind, for the objects in the rows.
  std::string include_object = "Metadata";  // None, Metadata, Object
  std::string resource_version;
  std::string continue_token;  // "": nothing is left.
  int64_t now_unix_seconds = 0;
};

// A row an object, all of `kind`; the columns are apkctl's, those of its wide output with
// priority 1.
nlohmann::ordered_json MakeTable(const Kind& kind, const std::vector<ResourcePtr>& objects,
                                 const ApiTableOptions& options);

}  // namespace apk
