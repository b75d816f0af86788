// Whose tokens are taken, and what is read from them.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <string>
#include <vector>

namespace apk {

struct OidcOptions {
  std::string issuer;                  // As tokens have it in "iss"; "": no tokens are taken.
  std::vector<std::string> audiences;  // One of them must be in "aud".
  std::string jwks;                    // URL or file of the keys; "": what the issuer names.
  std::string ca;                      // PEM file: who signs its certificate; "": the system's.
  std::string username_claim = "sub";
  std::string groups_claim = "groups";
  // How long keys that were fetched are good while the issuer can't be reached.
  std::chrono::seconds keys_kept = std::chrono::hours(24);
};

// INVALID_ARGUMENT, which names the flag. Keys come over https alone, or from this machine.
absl::Status CheckOidcOptions(const OidcOptions& options);

// https://…, or http to a loopback address.
bool IsTrustworthyUrl(const std::string& url);

}  // namespace apk
