// One golden file: manifests and what the agents report, then the expected text.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/translate.h"

namespace apk::golden {

inline constexpr char kNow[] = "2026-01-02T03:04:05Z";

struct Case {
  std::string input;     // YAML, with "#!" lines for the fleet (see ReadFleet).
  std::string expected;  // "" where the file has none yet.
};

// Paths of all golden files, sorted.
std::vector<std::string> AllCases();
// The name of its test: the file's without the ending.
std::string CaseName(const testing::TestParamInfo<std::string>& path);
Case ReadCase(const std::string& path);
void WriteCase(const std::string& path, const Case& golden);

// Validated and normalized, as the control plane stores them. Objects without a creationTimestamp
// or a generation get one. Fails the running test where a manifest is not valid.
ResourceSet ReadResources(std::string_view yaml);

// "#! agents N", "#! address A" and "#! error LISTENER TEXT". Without any: one agent on 127.0.0.1.
FleetReport ReadFleet(std::string_view input);

// The snapshot without hashes, then every status but those of classes, which are all alike; times
// are left out.
std::string Print(const Translation& translation);

}  // namespace apk::golden
