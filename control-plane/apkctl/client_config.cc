// The manifest's YAML tree serves here, too.
#include "control-plane/apkctl/client_config.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/strings.h"
#include "control-plane/apkctl/manifest/yaml_tree.h"

namespace apk {
namespace {

const YamlNode* Member(const YamlNode& node, std::string_view name) {
  for (const auto& [key, value] : node.members) {
    if (key->scalar == name) return value.get();
  }
  return nullptr;
}

std::string Text(const YamlNode& node, std::string_view name) {
  const YamlNode* const member = Member(node, name);
  return member == nullptr ? "" : member->scalar;
}

absl::Status Complain(const std::string& path, const YamlNode& node, std::string_view message) {
  return absl::InvalidArgumentError(Concat(path, ":", std::to_string(node.line), ":",
                                           std::to_string(node.column), ": ", message));
}

}  // namespace

const ClientContextConfig* ClientConfig::Find(const std::string& name) const {
  for (const ClientContextConfig& context : contexts) {
    if (context.name == name) return &context;
  }
  return nullptr;
}

std::string FindClientConfig(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const char* const variable = std::getenv("APKCTL_CONFIG"); variable != nullptr)
    return variable;
  const char* const home = std::getenv("HOME");
  const std::string own = Concat(home == nullptr ? "" : home, "/.config/apkctl/config.yaml");
  const std::string local = "/var/lib/apk/control-plane/apkctl.yaml";
  return access(own.c_str(), R_OK) != 0 && access(local.c_str(), R_OK) == 0 ? local : own;
}

absl::StatusOr<ClientConfig> ReadClientConfig(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        Concat("there is no configuration at ", path,
               "; give --config (the control plane writes apkctl.yaml into its data directory)"));
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  YamlReader yaml(text, YamlLimits());
  const std::unique_ptr<YamlNode> root = yaml.Next();
  if (yaml.problem().has_value()) {
    return absl::InvalidArgumentError(
        Concat(path, ":", std::to_string(yaml.problem()->line), ": ", yaml.problem()->message));
  }
  ClientConfig config;
  config.path = path;
  if (root == nullptr || root->kind != YamlNode::Kind::kMap) {
    return absl::InvalidArgumentError(
        Concat(path, ": must be a map with currentContext and contexts"));
  }
  config.current_context = Text(*root, "currentContext");
  const YamlNode* const contexts = Member(*root, "contexts");
  if (contexts == nullptr || contexts->kind != YamlNode::Kind::kList) {
    return Complain(path, *root, "contexts must be a list");
  }
  for (const auto& item : contexts->items) {
    ClientContextConfig& context = config.contexts.emplace_back();
    context.name = Text(*item, "name");
    context.server = Text(*item, "server");
    context.certificate_authority = Text(*item, "certificateAuthority");
    context.client_certificate = Text(*item, "clientCertificate");
    context.client_key = Text(*item, "clientKey");
    if (const std::string name = Text(*item, "namespace"); !name.empty())
      context.namespace_name = name;
    if (context.name.empty() || context.server.empty()) {
      return Complain(path, *item, "a context needs name and server");
    }
  }
  return config;
}

absl::Status WriteCurrentContext(const ClientConfig& config, const std::string& name) {
  std::ifstream file(config.path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string line = Concat("currentContext: ", name, "\n");
  const size_t at = text.rfind("currentContext:", 0) == 0 ? 0 : text.find("\ncurrentContext:");
  if (at == std::string::npos) {
    text.insert(0, line);
  } else {
    const size_t begin = at == 0 && text[0] != '\n' ? 0 : at + 1;
    const size_t end = text.find('\n', begin);
    text.replace(begin, end == std::string::npos ? std::string::npos : end - begin + 1, line);
  }
  const std::string temporary = config.path + ".new";
  std::ofstream out(temporary, std::ios::binary);
  out << text;
  out.close();
  if (!out || rename(temporary.c_str(), config.path.c_str()) != 0) {
    return absl::UnavailableError(Concat("can't write ", config.path));
  }
  return absl::OkStatus();
}

}  // namespace apk
