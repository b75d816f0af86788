// zlib.
#include "common/compressed.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace apk {
namespace {

constexpr int kLevel = 1;

struct Inflater {
  z_stream stream = {};
  const bool open = inflateInit(&stream) == Z_OK;
  ~Inflater() {
    if (open) inflateEnd(&stream);
  }
};

}  // namespace

std::string Compress(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string compressed(size, '\0');
  // Fails for want of room or memory alone; there is room.
  compress2(reinterpret_cast<Bytef*>(compressed.data()), &size,
            reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), kLevel);
  compressed.resize(size);
  return compressed;
}

std::optional<std::string> Decompress(std::string_view compressed, size_t size_max) {
  constexpr size_t kStep = 64 << 10;
  if (compressed.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  Inflater inflater;
  if (!inflater.open) return std::nullopt;
  z_stream& stream = inflater.stream;
  // zlib does not write to it.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string bytes;
  for (;;) {
    const size_t used = bytes.size();
    // One byte beyond, so that what is too large shows.
    const size_t room = std::min(std::max(kStep, used), size_max + 1 - used);
    bytes.resize(used + room);
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(used + room - stream.avail_out);
    if (bytes.size() > size_max) return std::nullopt;
    if (outcome == Z_STREAM_END) {
      if (stream.avail_in != 0) return std::nullopt;
      return bytes;
    }
    if (outcome != Z_OK) return std::nullopt;  // Z_BUF_ERROR: it is cut off.
  }
}

}  // namespace apk
