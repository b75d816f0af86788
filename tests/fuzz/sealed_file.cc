// Files that carry a checksum: a snapshot on an agent's disk, a backup. A damaged one is refused;
// one that is whole may still hold anything, since whoever writes files can write checksums. The
// input is what is inside.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/sealed.h"
#include "control-plane/backup/backup_file.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

constexpr std::string_view kMagic = "apk-bkp\n";

void CheckSeal(std::string_view body) {
  std::string sealed = Seal(kMagic, body);
  const auto opened = Unseal(kMagic, sealed);
  Require(opened.has_value() && *opened == body, "what was sealed is opened");
  Require(!Unseal("apksnap1", sealed).has_value(), "of its own kind alone");
  Require(!Unseal(kMagic, std::string_view(sealed).substr(0, sealed.size() - 1)).has_value(),
          "what is cut off is refused");
  const size_t place = body.size() * 7 % sealed.size();
  sealed[place] = static_cast<char>(sealed[place] ^ 0x10);
  Require(!Unseal(kMagic, sealed).has_value(), "what is damaged is refused");
  Unseal(kMagic, body);
}

void Check(std::string_view bytes) {
  CheckSeal(bytes);
  Require(!ReadBackup(bytes).ok(), "a backup has a checksum");
  const auto backup = ReadBackup(Seal(kMagic, bytes));
  if (!backup.ok()) {
    Require(!backup.status().message().empty(), "a refusal says why");
    return;
  }
  const std::string written = WriteBackup(*backup);
  const auto again = ReadBackup(written);
  Require(again.ok() && again->revision == backup->revision, "what was read is written");
  Require(WriteBackup(*again) == written, "and reads as the same");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
