// Goes on in a process of its own, which outlives the one that was started.
#pragma once

#include <optional>

#include "common/descriptor.h"

namespace apk {

// Called while there is one thread. The new process returns nullopt, and writes a byte to `ready`
// once it serves: the one that was started waits for that and returns its exit status, 0 then, and
// the new process's where that has ended before.
std::optional<int> Detach(Descriptor& ready);

}  // namespace apk
