// What an agent shows to a control plane, and whom it believes. A value.
#pragma once

#include <string>

namespace apk {

struct TlsIdentity {
  std::string ca_pem;  // Who signs the certificates of control planes.
  std::string certificate_pem;
  std::string key_pem;
};

}  // namespace apk
