// Fields beside the messages of the discovery stream.
#pragma once

namespace apk {

// In the initial metadata of a stream: the control plane lets the agent in.
inline constexpr char kLetInField[] = "apk-let-in";

}  // namespace apk
