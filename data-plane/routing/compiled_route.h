// One route of a snapshot, compiled: its rules, and the matches that lead to them. Immutable;
// tables share it for as long as its resource and what it refers to stay the same.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data-plane/routing/request_match.h"
#include "data-plane/routing/route_table.h"

namespace apk {

struct CompiledRoute {
  struct Attachment {
    std::string listener;                // Name of the ListenerConfig resource.
    std::vector<std::string> hostnames;  // Lower case; "" is any.
  };

  std::string name;  // Of the resource.
  std::string hash;  // Of the resource.
  std::vector<std::unique_ptr<const Rule>> rules;
  std::vector<std::unique_ptr<const RequestMatch>> matches;
  std::vector<std::string> base_paths;  // At least one; "" is none.
  std::vector<Attachment> attachments;
  // What its rules point to.
  std::vector<const void*> refers_to;
};

}  // namespace apk
