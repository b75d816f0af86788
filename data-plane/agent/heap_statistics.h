// What the allocator says of the process's memory, as text for people.
#pragma once

#include <string>

namespace apk {

std::string HeapStatistics();

}  // namespace apk
