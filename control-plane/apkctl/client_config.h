// apkctl's configuration file: control planes, and how to prove who one is. YAML; the control plane
// writes one for its own machine.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <vector>

namespace apk {

struct ClientContextConfig {
  std::string name;
  std::string server;  // host:port
  std::string namespace_name = "default";
  std::string certificate_authority;  // Paths of PEM files.
  std::string client_certificate;
  std::string client_key;
};

struct ClientConfig {
  std::string path;
  std::string current_context;
  std::vector<ClientContextConfig> contexts;

  // nullptr where there is none of that name.
  const ClientContextConfig* Find(const std::string& name) const;
};

// The path: `flag`, $APKCTL_CONFIG, ~/.config/apkctl/config.yaml, and for root the control plane's
// own /var/lib/apk/control-plane/apkctl.yaml; the first that is given or exists.
std::string FindClientConfig(const std::string& flag);

absl::StatusOr<ClientConfig> ReadClientConfig(const std::string& path);
absl::Status WriteCurrentContext(const ClientConfig& config, const std::string& name);

}  // namespace apk
