// Values to messages and back.
#include "data-plane/takeover/inheritance.h"

#include <algorithm>
#include <utility>

namespace apk {
namespace {

template <size_t Size>
std::string BytesOf(const std::array<unsigned char, Size>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), Size);
}

template <size_t Size>
bool Copy(const std::string& bytes, std::array<unsigned char, Size>& out) {
  if (bytes.size() != Size) return false;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return true;
}

void Encode(const TicketKeys::Key& key, v1::TicketKey& encoded) {
  encoded.set_name(BytesOf(key.name));
  encoded.set_cipher_key(BytesOf(key.cipher_key));
  encoded.set_mac_key(BytesOf(key.mac_key));
}

std::optional<TicketKeys::Key> Decode(const v1::TicketKey& encoded) {
  TicketKeys::Key key;
  const bool whole = Copy(encoded.name(), key.name) && Copy(encoded.cipher_key(), key.cipher_key) &&
                     Copy(encoded.mac_key(), key.mac_key);
  return whole ? std::optional(key) : std::nullopt;
}

}  // namespace

v1::TicketKeyState EncodeTicketKeys(const TicketKeys::State& state) {
  v1::TicketKeyState encoded;
  Encode(state.current, *encoded.mutable_current());
  if (state.previous.has_value()) Encode(*state.previous, *encoded.mutable_previous());
  encoded.set_age_ms(state.age.count());
  return encoded;
}

std::optional<TicketKeys::State> DecodeTicketKeys(const v1::TicketKeyState& encoded) {
  const std::optional<TicketKeys::Key> current = Decode(encoded.current());
  if (!current.has_value()) return std::nullopt;
  return TicketKeys::State{
      .current = *current,
      .previous = Decode(encoded.previous()),
      .age = std::chrono::milliseconds(std::max<int64_t>(encoded.age_ms(), 0))};
}

void AddTo(Inheritance& inheritance, v1::TakeOverDescriptors::Kind kind, Descriptor descriptor) {
  if (kind == v1::TakeOverDescriptors::DIRECTORY_LOCK) {
    inheritance.lock = std::move(descriptor);
    return;
  }
  std::optional<ListeningSocket> socket = DescribeListener(std::move(descriptor));
  if (!socket.has_value()) return;
  if (kind == v1::TakeOverDescriptors::LISTENER) {
    inheritance.listeners.push_back(*std::move(socket));
  } else if (kind == v1::TakeOverDescriptors::ADMIN) {
    inheritance.admin = std::move(socket);
  }
}

}  // namespace apk
