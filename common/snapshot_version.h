// The version of a snapshot: a digest of its resources, the same for whoever computes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace apk {

// SHA-256 over what is added, cut to 16 bytes.
class ShortDigest {
 public:
  ShortDigest();
  ~ShortDigest();
  ShortDigest(const ShortDigest&) = delete;
  ShortDigest& operator=(const ShortDigest&) = delete;

  void Add(std::string_view bytes);
  // Call once.
  std::string Finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

// What stands for a resource where agents tell what they hold; 0 where there is no hash.
uint64_t FingerprintOf(std::string_view hash);

class SnapshotVersion {
 public:
  // REQUIRES: in the order of names.
  void Add(std::string_view name, std::string_view hash);
  // In hexadecimal. Call once.
  std::string Finish();

 private:
  ShortDigest digest_;
};

}  // namespace apk
