// The keys that session tickets are sealed with (RFC 5077 4, RFC 8446 4.6.1). They change, so that
// a stolen one opens little, and the one before is still read. Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <string_view>

#include "common/clock.h"

namespace apk {

class TicketKeys {
 public:
  static constexpr std::chrono::hours kLifetime{12};

  struct Key {
    std::array<unsigned char, 16> name;  // Written in the ticket, in clear.
    std::array<unsigned char, 32> cipher_key;
    std::array<unsigned char, 32> mac_key;
  };
  struct Found {
    Key key;
    bool current = false;  // Otherwise the ticket should be replaced.
  };

  // What another process needs to go on with these. `age`: of the current key.
  struct State {
    Key current;
    std::optional<Key> previous;
    std::chrono::milliseconds age;
  };
  // nullopt where none was needed yet.
  std::optional<State> Export(TimePoint now) const;
  void Import(const State& state, TimePoint now);

  // To seal with. nullopt where there is no randomness.
  std::optional<Key> Current(TimePoint now);
  // The key of that name, unless it is too old.
  std::optional<Found> Find(std::string_view name, TimePoint now);

 private:
  bool Rotate(TimePoint now);

  mutable std::mutex mutex_;
  std::optional<Key> current_;
  std::optional<Key> previous_;
  TimePoint made_;  // The current one.
};

}  // namespace apk
