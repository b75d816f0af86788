// A status says whether something may have happened: that decides what the checker may assume.
#include "tests/proof/admin_calls.h"

#include <grpcpp/grpcpp.h>

#include <cstdlib>

namespace apk::proof {
namespace {

using Outcome = Operation::Outcome;

constexpr std::chrono::milliseconds kConnect{200};
constexpr char kKey[] = "value";
constexpr char kLabel[] = "proof";

v1::ConfigMap MakeMap(const std::string& name, Value value, const std::string& label,
                      uint64_t version) {
  v1::ConfigMap map;
  map.set_api_version("v1");
  map.set_kind("ConfigMap");
  map.mutable_metadata()->set_namespace_(kNamespace);
  map.mutable_metadata()->set_name(name);
  (*map.mutable_metadata()->mutable_labels())[kLabel] = label;
  if (version != 0) map.mutable_metadata()->set_resource_version(std::to_string(version));
  (*map.mutable_data())[kKey] = std::to_string(value);
  return map;
}

v1::ObjectKey KeyOfMap(const std::string& name) {
  v1::ObjectKey key;
  key.set_kind("ConfigMap");
  key.set_namespace_(kNamespace);
  key.set_name(name);
  return key;
}

void TakeObject(const google::protobuf::Any& any, Answer& answer) {
  v1::ConfigMap map;
  if (any.UnpackTo(&map)) answer.objects[map.metadata().name()] = AdminCalls::SeenIn(map);
}

// The answer to a call that did not go well.
Answer Failed(const grpc::Status& status) {
  Answer answer;
  answer.error = status.error_message();
  answer.nothing = status.error_code() == grpc::StatusCode::ABORTED &&
                   status.error_message().find("nothing was changed") != std::string::npos;
  return answer;
}

}  // namespace

Seen AdminCalls::SeenIn(const v1::ConfigMap& map) {
  const auto value = map.data().find(kKey);
  return {.value = value == map.data().end() ? kAbsent : std::atoll(value->second.c_str()),
          .version = std::strtoull(map.metadata().resource_version().c_str(), nullptr, 10)};
}

AdminCalls::AdminCalls(const Endpoints& endpoints, uint64_t seed)
    : endpoints_(endpoints), random_(static_cast<std::minstd_rand::result_type>(seed + 1)) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = endpoints.ca_pem;
  tls.pem_cert_chain = endpoints.certificate_pem;
  tls.pem_private_key = endpoints.key_pem;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 300);
  for (const std::string& server : endpoints.servers) {
    channels_.push_back(grpc::CreateCustomChannel(server, grpc::SslCredentials(tls), arguments));
    stubs_.push_back(v1::AdminService::NewStub(channels_.back()));
  }
  UseAny();
}

void AdminCalls::UseAny() { current_ = random_() % stubs_.size(); }

bool AdminCalls::Connect() {
  return channels_[current_]->WaitForConnected(std::chrono::system_clock::now() + kConnect);
}

Answer AdminCalls::Put(const std::vector<std::string>& names, Value value, const std::string& label,
                       bool create_only, uint64_t version) {
  Answer answer;
  answer.nothing = !Connect();
  if (answer.nothing) return answer;
  v1::ApplyRequest request;
  request.set_create_only(create_only);
  for (const std::string& name : names) {
    request.add_objects()->PackFrom(MakeMap(name, value, label, version));
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + endpoints_.deadline);
  v1::ApplyResponse response;
  const grpc::Status status = stub().Apply(&context, request, &response);
  if (!status.ok()) return Failed(status);
  for (const v1::Violation& violation : response.violations()) {
    if (violation.severity() != v1::Violation::ERROR) continue;
    answer.outcome = Outcome::kRefused;
    answer.error = violation.message();
    return answer;
  }
  answer.outcome = Outcome::kDone;
  answer.revision = response.revision();
  for (const v1::ObjectResult& result : response.results()) TakeObject(result.object(), answer);
  return answer;
}

Answer AdminCalls::Remove(const std::string& name, uint64_t version) {
  Answer answer;
  answer.nothing = !Connect();
  if (answer.nothing) return answer;
  v1::DeleteRequest request;
  *request.add_keys() = KeyOfMap(name);
  if (version != 0) request.set_resource_version(std::to_string(version));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + endpoints_.deadline);
  v1::DeleteResponse response;
  const grpc::Status status = stub().Delete(&context, request, &response);
  const bool other = status.error_code() == grpc::StatusCode::ABORTED &&
                     status.error_message().find("has resourceVersion") != std::string::npos;
  if (other || status.error_code() == grpc::StatusCode::NOT_FOUND) {
    answer.outcome = Outcome::kRefused;
    return answer;
  }
  if (!status.ok()) return Failed(status);
  answer.outcome = Outcome::kDone;
  answer.revision = response.revision();
  return answer;
}

Answer AdminCalls::Read(const std::string& name) {
  Answer answer;
  answer.nothing = !Connect();
  if (answer.nothing) return answer;
  v1::GetRequest request;
  *request.mutable_key() = KeyOfMap(name);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + endpoints_.deadline);
  v1::GetResponse response;
  const grpc::Status status = stub().Get(&context, request, &response);
  const bool missing = status.error_code() == grpc::StatusCode::NOT_FOUND;
  if ((!status.ok() && !missing) || response.maybe_stale()) {
    answer = Failed(status);
    answer.nothing = true;
    return answer;
  }
  answer.outcome = Outcome::kDone;
  answer.revision = response.revision();
  if (!missing) TakeObject(response.object(), answer);
  return answer;
}

Answer AdminCalls::List(const std::string& label) {
  Answer answer;
  answer.nothing = !Connect();
  if (answer.nothing) return answer;
  v1::ListRequest request;
  request.set_kind("ConfigMap");
  request.set_namespace_(kNamespace);
  request.set_label_selector(std::string(kLabel) + "=" + label);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + endpoints_.deadline);
  v1::ListResponse response;
  const grpc::Status status = stub().List(&context, request, &response);
  if (!status.ok() || response.maybe_stale()) {
    answer = Failed(status);
    answer.nothing = true;
    return answer;
  }
  answer.outcome = Outcome::kDone;
  answer.revision = response.revision();
  for (const google::protobuf::Any& object : response.objects()) TakeObject(object, answer);
  return answer;
}

bool AdminCalls::MakeNamespace() {
  v1::Namespace made;
  made.set_api_version("v1");
  made.set_kind("Namespace");
  made.mutable_metadata()->set_name(kNamespace);
  v1::ApplyRequest request;
  request.add_objects()->PackFrom(made);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + endpoints_.deadline);
  v1::ApplyResponse response;
  return Connect() && stub().Apply(&context, request, &response).ok() &&
         response.results_size() == 1;
}

}  // namespace apk::proof
