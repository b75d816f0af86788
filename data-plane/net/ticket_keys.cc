// Keys are made when they are asked for: no timer.
#include "data-plane/net/ticket_keys.h"

#include <openssl/rand.h>

namespace apk {
namespace {

bool Fill(unsigned char* bytes, size_t size) {
  return RAND_priv_bytes(bytes, static_cast<int>(size)) == 1;
}

bool HasName(const std::optional<TicketKeys::Key>& key, std::string_view name) {
  return key.has_value() && std::string_view(reinterpret_cast<const char*>(key->name.data()),
                                             key->name.size()) == name;
}

}  // namespace

bool TicketKeys::Rotate(TimePoint now) {
  if (current_.has_value() && now - made_ < kLifetime) return true;
  Key key;
  if (!Fill(key.name.data(), key.name.size()) ||
      !Fill(key.cipher_key.data(), key.cipher_key.size()) ||
      !Fill(key.mac_key.data(), key.mac_key.size())) {
    return false;
  }
  // After a long silence the last key is as old as one that was replaced long ago.
  previous_.reset();
  if (current_.has_value() && now - made_ < 2 * kLifetime) previous_ = current_;
  current_ = key;
  made_ = now;
  return true;
}

std::optional<TicketKeys::State> TicketKeys::Export(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  if (!current_.has_value()) return std::nullopt;
  return State{.current = *current_,
               .previous = previous_,
               .age = std::chrono::duration_cast<std::chrono::milliseconds>(now - made_)};
}

void TicketKeys::Import(const State& state, TimePoint now) {
  const std::lock_guard lock(mutex_);
  current_ = state.current;
  previous_ = state.previous;
  made_ = now - state.age;
}

std::optional<TicketKeys::Key> TicketKeys::Current(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!Rotate(now)) return std::nullopt;
  return current_;
}

std::optional<TicketKeys::Found> TicketKeys::Find(std::string_view name, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!current_.has_value() || !Rotate(now)) return std::nullopt;
  if (HasName(current_, name)) return Found{.key = *current_, .current = true};
  if (HasName(previous_, name)) return Found{.key = *previous_, .current = false};
  return std::nullopt;
}

}  // namespace apk
