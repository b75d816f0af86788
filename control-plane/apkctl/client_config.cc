// The manifest's YAML tree serves here, too.
#include "control-plane/apkctl/client_config.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/apkctl/manifest/yaml_tree.h"

namespace apk {
namespace {

constexpr size_t kFileBytesMax = 1UL << 20;

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

std::string Neighbour(const std::string& file, const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  return std::filesystem::path(file).parent_path() / path;
}

absl::Status Complain(const std::string& path, const YamlNode& node, std::string_view message) {
  return absl::InvalidArgumentError(Concat(path, ":", std::to_string(node.line), ":",
                                           std::to_string(node.column), ": ", message));
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int error = errno;
  if (file < 0 && error == EACCES) {
    return absl::PermissionDeniedError(
        Concat("can't read the configuration ", path,
               ": Permission denied; run as its owner (sudo), or copy it and its certificates"));
  }
  if (file < 0) {
    return absl::NotFoundError(
        Concat("there is no configuration at ", path,
               error == ENOENT ? "" : Concat(" (", std::strerror(error), ")"),
               "; give --config (the control plane writes apkctl.yaml into its data directory)"));
  }
  std::string text;
  std::array<char, 4096> chunk{};
  ssize_t count = 0;
  while ((count = read(file, chunk.data(), chunk.size())) > 0 && text.size() < kFileBytesMax)
    text.append(chunk.data(), static_cast<size_t>(count));
  const int read_error = errno;
  close(file);
  if (count < 0) return absl::NotFoundError(Concat(path, ": ", std::strerror(read_error)));
  if (count > 0) return absl::InvalidArgumentError(Concat(path, " is larger than 1 MiB"));
  return text;
}

absl::StatusOr<ClientConfig> ParseClientConfig(const std::string& path, const std::string& text) {
  YamlReader yaml(text, YamlLimits());
  const std::unique_ptr<YamlNode> root = yaml.Next();
  if (yaml.problem().has_value()) {
    const YamlProblem& problem = *yaml.problem();
    return absl::InvalidArgumentError(Concat(path, ":", std::to_string(problem.line), ":",
                                             std::to_string(problem.column), ": ",
                                             problem.message));
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
    context.certificate_authority = Neighbour(path, Text(*item, "certificateAuthority"));
    context.client_certificate = Neighbour(path, Text(*item, "clientCertificate"));
    context.client_key = Neighbour(path, Text(*item, "clientKey"));
    context.token = Text(*item, "token");
    context.token_file = Neighbour(path, Text(*item, "tokenFile"));
    if (const std::string name = Text(*item, "namespace"); !name.empty())
      context.namespace_name = name;
    for (const char* const needed : {"name", "server", "certificateAuthority"}) {
      if (Text(*item, needed).empty())
        return Complain(path, *item, Concat("a context needs ", needed));
    }
    const bool by_token = !context.token.empty() || !context.token_file.empty();
    for (const char* const needed : {"clientCertificate", "clientKey"}) {
      if (!by_token && Text(*item, needed).empty())
        return Complain(path, *item, Concat("a context needs ", needed, ", or a tokenFile"));
    }
  }
  return config;
}

// The name in quotes: whatever it is, it stays text.
std::string WithCurrentContext(std::string text, const std::string& name) {
  const std::string line = Concat("currentContext: ", nlohmann::json(name).dump(), "\n");
  const bool first = text.starts_with("currentContext:");
  const size_t found = first ? 0 : text.find("\ncurrentContext:");
  if (found == std::string::npos) return Concat(line, text);
  const size_t begin = first ? 0 : found + 1;
  const size_t end = text.find('\n', begin);
  return text.replace(begin, end == std::string::npos ? end : end - begin + 1, line);
}

absl::Status ReplaceFile(const std::string& path, const std::string& text) {
  const std::string temporary = Concat(path, ".", std::to_string(getpid()), ".new");
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  size_t written = 0;
  while (file >= 0 && written < text.size()) {
    const ssize_t count = write(file, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    written += static_cast<size_t>(count);
  }
  const bool good = file >= 0 && written == text.size() && fsync(file) == 0 &&
                    rename(temporary.c_str(), path.c_str()) == 0;
  const int error = errno;
  if (file >= 0) close(file);
  if (good) return absl::OkStatus();
  if (file >= 0) unlink(temporary.c_str());
  return absl::PermissionDeniedError(Concat("can't write ", path, ": ", std::strerror(error)));
}

}  // namespace

std::string ClientConfig::Names() const {
  std::vector<std::string> names;
  for (const ClientContextConfig& context : contexts) names.push_back(context.name);
  return names.empty() ? "no context" : Join(names, ", ");
}

const ClientContextConfig* ClientConfig::Find(const std::string& name) const {
  for (const ClientContextConfig& context : contexts) {
    if (context.name == name) return &context;
  }
  return nullptr;
}

std::string FindClientConfig(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const char* const variable = std::getenv("APKCTL_CONFIG");
      variable != nullptr && *variable != '\0') {
    return variable;
  }
  const char* const home = std::getenv("HOME");
  const std::string own = Concat(home == nullptr ? "" : home, "/.config/apkctl/config.yaml");
  const std::string local = "/var/lib/apk/control-plane/apkctl.yaml";
  return access(own.c_str(), R_OK) != 0 && access(local.c_str(), R_OK) == 0 ? local : own;
}

absl::StatusOr<std::string> TokenOf(const ClientContextConfig& context) {
  std::string token = context.token;
  if (token.empty() && !context.token_file.empty()) {
    const absl::StatusOr<std::string> read = ReadFile(context.token_file);
    if (!read.ok()) {
      return absl::Status(read.status().code(),
                          Concat("the token file: ", std::string(read.status().message())));
    }
    token = *read;
    while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
    if (token.empty()) {
      return absl::InvalidArgumentError(Concat("the token file ", context.token_file, " is empty"));
    }
  }
  // RFC 6750, 2.1.
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
  };
  if (std::all_of(token.begin(), token.end(), fits)) return token;
  return absl::InvalidArgumentError(
      Concat(context.token.empty() ? Concat("the token file ", context.token_file) : "the token",
             " holds something else than a bearer token: letters, digits and -._~+/= only"));
}

void UseToken(const std::string& token, const std::string& token_file,
              ClientContextConfig& context) {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const bool by_flag = !token.empty() || !token_file.empty();
  const std::string given = by_flag ? token : variable("APKCTL_TOKEN");
  const std::string file = by_flag ? token_file : variable("APKCTL_TOKEN_FILE");
  if (!given.empty() || !file.empty()) {
    context.token = given;
    context.token_file = given.empty() ? file : "";
  }
  if (context.token.empty() && context.token_file.empty()) return;
  context.client_certificate.clear();
  context.client_key.clear();
}

absl::StatusOr<ClientConfig> ReadClientConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  return ParseClientConfig(path, text);
}

absl::Status WriteCurrentContext(const ClientConfig& config, const std::string& name) {
  // A link stays: what it leads to is replaced.
  std::error_code error;
  const std::string path = std::filesystem::canonical(config.path, error);
  if (error) return absl::NotFoundError(Concat(config.path, ": ", error.message()));
  ASSIGN_OR_RETURN(const std::string before, ReadText(path));
  const std::string after = WithCurrentContext(before, name);
  const absl::StatusOr<ClientConfig> read_back = ParseClientConfig(path, after);
  const bool same = read_back.ok() && read_back->current_context == name &&
                    read_back->contexts.size() == config.contexts.size();
  if (!same) {
    return absl::InvalidArgumentError(
        Concat(path, " is not written line by line: set currentContext there by hand"));
  }
  return ReplaceFile(path, after);
}

}  // namespace apk
