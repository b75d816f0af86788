// Connecting, errors and names: what all commands do alike.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest/suggest.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

const char* ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return "NotFound";
    case absl::StatusCode::kPermissionDenied:
      return "Forbidden";
    case absl::StatusCode::kUnauthenticated:
      return "Unauthorized";
    case absl::StatusCode::kInvalidArgument:
      return "BadRequest";
    case absl::StatusCode::kAborted:
      return "Conflict";
    case absl::StatusCode::kResourceExhausted:
      return "TooManyRequests";
    case absl::StatusCode::kFailedPrecondition:
      return "FailedPrecondition";
    case absl::StatusCode::kDeadlineExceeded:
      return "Timeout";
    default:
      return "InternalError";
  }
}

}  // namespace

int PrintError(std::string_view message) {
  // Line by line: the other control characters of what a message quotes don't reach the terminal.
  std::cout.flush();
  std::string shown;
  for (const std::string_view line : Split(message, '\n'))
    shown += Concat(shown.empty() ? "error: " : "\n", Printable(line));
  std::cerr << shown << "\n";
  return 1;
}

int PrintError(const absl::Status& status) {
  const std::string message(status.message());
  if (status.code() == absl::StatusCode::kUnavailable) return PrintError(message);
  std::cout.flush();
  std::cerr << "Error from server (" << ReasonOf(status.code()) << "): " << Printable(message)
            << "\n";
  return 1;
}

absl::StatusOr<Session> TryOpenSession(const GlobalFlags& flags) {
  ASSIGN_OR_RETURN(const ClientConfig config, ReadClientConfig(FindClientConfig(flags.config)));
  const std::string name = flags.context.empty() ? config.current_context : flags.context;
  const ClientContextConfig* const found = config.Find(name);
  if (found == nullptr) {
    return absl::NotFoundError(
        name.empty() ? Concat("no context is chosen: apkctl config use-context NAME (", config.path,
                              " has ", config.Names(), ")")
                     : Concat("there is no context \"", name, "\" in ", config.path, ", which has ",
                              config.Names()));
  }
  ClientContextConfig context = *found;
  if (!flags.server.empty()) context.server = flags.server;
  if (!flags.token.empty() && !flags.token_file.empty()) {
    return absl::InvalidArgumentError("--token and --token-file: give one of them");
  }
  UseToken(flags.token, flags.token_file, context);
  Session session;
  ASSIGN_OR_RETURN(session.client, AdminClient::Open(context));
  session.namespace_name =
      flags.namespace_name.empty() ? context.namespace_name : flags.namespace_name;
  session.context = std::move(context);
  return session;
}

std::optional<Session> OpenSession(const GlobalFlags& flags) {
  absl::StatusOr<Session> session = TryOpenSession(flags);
  if (session.ok()) return *std::move(session);
  PrintError(
      std::string_view(session.status().message().data(), session.status().message().size()));
  return std::nullopt;
}

const Kind* RequireKind(std::string_view word) {
  const Kind* const kind = FindKindByWord(word);
  if (kind != nullptr) return kind;
  std::vector<std::string> names;
  std::vector<std::string> shown;
  for (const Kind& known : AllKinds()) {
    names.push_back(known.plural);
    names.push_back(ToLower(known.name));
    shown.push_back(known.short_names.empty()
                        ? known.plural
                        : Concat(known.plural, " (", Join(known.short_names, ", "), ")"));
  }
  const std::string nearest = Suggest(word, names);
  PrintError(Concat("the server doesn't have a resource type \"", word, "\"; ",
                    nearest.empty() ? Concat("there are ", Join(shown, ", "))
                                    : Concat("did you mean ", nearest, "?")));
  return nullptr;
}

std::optional<std::vector<Target>> ParseTargets(const std::vector<std::string>& words) {
  std::vector<Target> targets;
  if (words.empty()) {
    PrintError("name a kind, for example httproutes");
    return std::nullopt;
  }
  const bool slashes = words[0].find('/') != std::string::npos;
  if (slashes) {
    for (const std::string& word : words) {
      const size_t slash = word.find('/');
      const Kind* const kind =
          slash == std::string::npos ? nullptr : RequireKind(word.substr(0, slash));
      if (kind == nullptr) {
        if (slash == std::string::npos)
          PrintError(Concat("\"", word, "\": write KIND/NAME for each"));
        return std::nullopt;
      }
      targets.push_back({kind, word.substr(slash + 1)});
    }
    return targets;
  }
  for (const std::string_view word : Split(words[0], ',')) {
    const Kind* const kind = RequireKind(word);
    if (kind == nullptr) return std::nullopt;
    if (words.size() == 1) targets.push_back({kind, ""});
    for (size_t i = 1; i < words.size(); ++i) targets.push_back({kind, words[i]});
  }
  return targets;
}

std::string ResourceName(const v1::ObjectKey& key) {
  const Kind* const kind = FindKind(key.group(), key.kind());
  return Concat(kind == nullptr ? ToLower(key.kind()) : kind->QualifiedName(), "/", key.name());
}

std::unique_ptr<google::protobuf::Message> Unpack(const google::protobuf::Any& any) {
  const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
  for (const Kind& kind : AllKinds()) {
    if (kind.descriptor->full_name() != name) continue;
    std::unique_ptr<google::protobuf::Message> object = kind.New();
    if (!object->ParseFromString(any.value())) continue;
    MutableMetadataOf(*object)->clear_managed_fields();  // As kubectl: nobody wants to read them.
    return object;
  }
  return nullptr;
}

}  // namespace apk
