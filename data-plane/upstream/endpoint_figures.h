// How the connections to one endpoint are at one moment. A value.
#pragma once

#include <cstdint>

namespace apk {

// One worker's connections to one endpoint.
struct EndpointFigures {
  uint64_t open = 0;       // Connections that stand, idle ones included.
  uint64_t idle = 0;       // Kept for the next exchange.
  uint64_t pending = 0;    // Exchanges that wait for a connection to stand.
  uint64_t exchanges = 0;  // Under way, those that wait included.
  bool ejected = false;    // Left alone by all workers, since requests to it failed.
  bool backs_off = false;  // Passed over by a worker, since it could not be connected to.

  EndpointFigures& operator+=(const EndpointFigures& other) {
    open += other.open;
    idle += other.idle;
    pending += other.pending;
    exchanges += other.exchanges;
    ejected = ejected || other.ejected;
    backs_off = backs_off || other.backs_off;
    return *this;
  }
};

}  // namespace apk
