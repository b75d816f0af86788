// The features of the Gateway API that this product has, by the specification's names.
#pragma once

#include <string_view>
#include <vector>

namespace apk {

// Sorted; each has a test in tests/conformance, which FEATURES.md there names.
const std::vector<std::string_view>& SupportedFeatures();

}  // namespace apk
