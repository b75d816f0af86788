// The key sets that were fetched last, on disk, so that an agent that starts while their issuers
// can't be reached checks tokens all the same. A cache: what is damaged is not there.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <string>

#include "data-plane/routing/route_table.h"

namespace apk {

class KeyFile {
 public:
  using KeySets = std::map<std::string, std::string>;  // JWKS documents, by IdOf their issuers.

  // "": none, nothing is kept.
  explicit KeyFile(std::string path) : path_(std::move(path)) {}

  // Changes with the issuer's name, its URL, and whom it trusts: what was fetched from elsewhere is
  // none of its keys.
  static std::string IdOf(const TokenIssuer& issuer);

  // Empty where there is no file or none that is whole.
  KeySets Load() const;
  // Whole or not at all, readable by the owner alone; nothing where the file holds the same. What
  // goes beyond 16 MiB is left out.
  absl::Status Save(const KeySets& sets);

 private:
  const std::string path_;
  std::string saved_;  // What Save wrote last.
};

}  // namespace apk
