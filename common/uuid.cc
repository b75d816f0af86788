// Version and variant take six of the bits.
#include "common/uuid.h"

#include <openssl/rand.h>

#include <cstdlib>

#include "common/strings.h"

namespace apk {

std::string NewUuid() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) std::abort();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string uuid = Hex(std::string_view(reinterpret_cast<const char*>(bytes), sizeof bytes));
  for (const size_t hyphen : {8, 13, 18, 23}) uuid.insert(hyphen, 1, '-');
  return uuid;
}

}  // namespace apk
