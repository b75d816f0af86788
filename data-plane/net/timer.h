// The timer of a loop, for the few waits that a Deadline does not serve.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>

#include "data-plane/net/task.h"

namespace apk {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

}  // namespace apk
