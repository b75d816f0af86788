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
  std::string server;  // host:port, or several control planes of one store with commas between.
  std::string namespace_name = "default";
  std::string
      certificate_authority;       // Paths of PEM files; relative ones are the file's neighbours.
  std::string client_certificate;  // "" where there is a token, which is shown instead.
  std::string client_key;
  std::string token;       // A bearer token;
  std::string token_file;  // or where it stands, read anew for each command.
};

// The token; "" where the context has none. NOT_FOUND where its file can't be read,
// INVALID_ARGUMENT, which does not repeat it, where it is none.
absl::StatusOr<std::string> TokenOf(const ClientContextConfig& context);
// What is given beside the file counts more: `token` and `token_file` are those of flags, then
// $APKCTL_TOKEN and $APKCTL_TOKEN_FILE. With a token no certificate is shown.
void UseToken(const std::string& token, const std::string& token_file,
              ClientContextConfig& context);

struct ClientConfig {
  std::string path;
  std::string current_context;
  std::vector<ClientContextConfig> contexts;

  // nullptr where there is none of that name.
  const ClientContextConfig* Find(const std::string& name) const;
  std::string Names() const;  // For messages: "a, b", or "no context".
};

// The path: `flag`, $APKCTL_CONFIG, ~/.config/apkctl/config.yaml, and for root the control plane's
// own /var/lib/apk/control-plane/apkctl.yaml; the first that is given or exists.
std::string FindClientConfig(const std::string& flag);

// NOT_FOUND, PERMISSION_DENIED, or INVALID_ARGUMENT with the place in the file.
absl::StatusOr<ClientConfig> ReadClientConfig(const std::string& path);

// Changes that one line, comments and all else stay. The file is replaced at once, never half
// written, and is its owner's alone (0600). INVALID_ARGUMENT where the line can't be changed.
absl::Status WriteCurrentContext(const ClientConfig& config, const std::string& name);

}  // namespace apk
