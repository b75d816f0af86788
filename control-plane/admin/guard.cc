// A refusal names the objects that were asked for; a change those that it changed.
#include "control-plane/admin/guard.h"

#include "common/strings.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/caller.h"

namespace apk {
namespace {

// gRPC's "ipv4:127.0.0.1:40312" and "ipv6:%5B::1%5D:40312" as people write them.
std::string AddressOf(const grpc::ServerContext& context) {
  std::string text;
  const std::string peer = context.peer();
  for (size_t i = peer.find(':') + 1; i < peer.size(); ++i) {
    const std::string_view rest = std::string_view(peer).substr(i);
    const bool escaped = rest.starts_with("%5B") || rest.starts_with("%5D");
    text += !escaped ? peer[i] : rest[2] == 'B' ? '[' : ']';
    if (escaped) i += 2;
  }
  return text;
}

}  // namespace

Principal Guard::UserOf(const grpc::ServerContext& context) const {
  return CallerOf(context, authenticator);
}

absl::Status CheckObject(const Gate& gate, const Principal& user, const std::string& verb,
                         const ResourceKey& key) {
  const Kind* const kind = FindKind(key.group, key.kind);
  if (kind == nullptr || !gate.has_roles()) return absl::OkStatus();
  return gate.Check(AccessToKind(user, verb, *kind, key.namespace_name, key.name));
}

std::vector<ResourceKey> KeysOf(const v1::ApplyRequest& request) {
  std::vector<ResourceKey> keys;
  for (const google::protobuf::Any& any : request.objects()) {
    const MessagePtr object = Decode(any);
    if (object == nullptr) continue;
    ResourceKey& key = keys.emplace_back(KeyOf(*object));
    const Kind* const kind = FindKind(key.group, key.kind);
    if (key.namespace_name.empty() && !kind->cluster_scoped) key.namespace_name = "default";
  }
  return keys;
}

GuardedRequest::GuardedRequest(const Guard& guard, const grpc::ServerContext& context,
                               std::string verb, bool dry_run)
    : gate_(guard.gate),
      dry_run_(dry_run),
      let_in_(CheckUser(context, guard.authenticator)),
      user_(guard.UserOf(context)) {
  entry_.user = user_.name;
  entry_.address = AddressOf(context);
  entry_.api = "grpc";
  entry_.verb = std::move(verb);
}

void GuardedRequest::About(const std::vector<ResourceKey>& keys) {
  for (const ResourceKey& key : keys) {
    *entry_.objects.emplace_back().mutable_key() = ToProto(key);
    verdict_.Update(CheckObject(gate_, user_, entry_.verb, key));
  }
}

void GuardedRequest::Needs(const AccessRequest& request) { verdict_.Update(gate_.Check(request)); }

grpc::Status GuardedRequest::Begin() {
  if (!let_in_.ok()) return End(let_in_, 0, {});
  if (!verdict_.ok()) {
    entry_.result = ResultWord(verdict_.code());
    entry_.message = std::string(verdict_.message());
    gate_.NoteRefusal(entry_);
    return ToGrpc(verdict_);
  }
  return dry_run_ ? grpc::Status::OK : ToGrpc(gate_.ReadyToChange());
}

grpc::Status GuardedRequest::End(const grpc::Status& status, uint64_t revision,
                                 const Results& results) {
  if (dry_run_ || !gate_.has_audit()) return status;
  if (!status.ok()) {
    Refuse(ResultWord(static_cast<absl::StatusCode>(status.error_code())), status.error_message());
    return status;
  }
  entry_.result = ResultWord(absl::StatusCode::kOk);
  entry_.revision = revision;
  if (!results.empty()) entry_.objects.clear();
  for (const v1::ObjectResult& result : results) entry_.objects.push_back(ForAudit(result));
  gate_.NoteChange(entry_);
  return status;
}

void GuardedRequest::Refuse(const std::string& result, const std::string& message) {
  if (dry_run_) return;
  entry_.result = result;
  entry_.message = message;
  gate_.NoteRefusal(entry_);
}

}  // namespace apk
