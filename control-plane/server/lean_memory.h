// What the process does to have little memory for each of many connections.
#pragma once

namespace apk {

// One arena of malloc: what a thousand agents at once took for a moment is then there for whoever
// needs it next, and not in as many pools as there are threads. Call before there are threads.
void UseMemoryLeanly();

}  // namespace apk
