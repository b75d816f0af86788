// Eight bytes that stand for an agent, whatever it is called.
#pragma once

#include <cstdint>
#include <string_view>

namespace apk {

uint64_t AgentKey(std::string_view id);

}  // namespace apk
