// Snapshots in a line or two, for tests.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "apk/v1/snapshot.pb.h"

namespace apk {

// `resources` in protobuf text format, for example `resources { name: "b" backend { } }`.
inline v1::Snapshot SnapshotOf(const std::string& resources) {
  v1::Snapshot snapshot;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(resources, &snapshot));
  return snapshot;
}

inline std::string ListenerText(const std::string& name, const std::string& hostname) {
  return "resources { name: '" + name + "' listener { port: 80 protocol: HTTP hostname: '" +
         hostname + "' } }\n";
}

// One route on listener "l" of which every rule has one match, given as the text of its body.
inline std::string RouteText(const std::string& name, const std::string& more,
                             const std::vector<std::string>& matches) {
  std::string text = "resources { name: 'route/" + name + "' route { name: '" + name + "' " + more;
  for (const std::string& match : matches) text += " rules { matches { " + match + " } }";
  return text + " } }\n";
}

}  // namespace apk
