// The C core asks for the certificate before each handshake; the C++ interface of gRPC 1.51 has no
// word for it, but lets credentials bind the port themselves. The same goes for who is asked before
// each call: the C++ interface would do that on a thread pool, and copy all fields.
#include "control-plane/server/reloading_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <cstdint>
#include <mutex>
#include <string_view>

#include "control-plane/authentication/authenticator.h"

namespace apk {
namespace {

std::string_view ViewOf(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

CallHead HeadOf(const grpc_auth_context* context, const grpc_metadata* fields, size_t count) {
  CallHead head;
  head.connection = std::to_string(reinterpret_cast<uintptr_t>(context));
  for (size_t i = 0; i < count; ++i) {
    const std::string_view name = ViewOf(fields[i].key);
    if (name == ":path") head.method = ViewOf(fields[i].value);
    if (name == "authorization") AddAuthorization(ViewOf(fields[i].value), head.authorization);
  }
  grpc_auth_property_iterator found =
      grpc_auth_context_find_properties_by_name(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (const grpc_auth_property* const pem = grpc_auth_property_iterator_next(&found)) {
    head.certificate_pem.assign(pem->value, pem->value_length);
  }
  return head;
}

class ServerTls final : public grpc::ServerCredentials {
 public:
  explicit ServerTls(ReloadingTls tls) : tls_(std::move(tls)) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(tls_.clients, &Fetch,
                                                                        this));
    if (tls_.judge == nullptr) return;
    grpc_server_credentials_set_auth_metadata_processor(
        credentials_, {.process = &Judge, .destroy = nullptr, .state = this});
  }
  ~ServerTls() override { grpc_server_credentials_release(credentials_); }

  // It has one of its own.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static void Judge(void* self, grpc_auth_context* context, const grpc_metadata* fields,
                    size_t count, grpc_process_auth_metadata_done_cb done, void* call) {
    static_cast<ServerTls*>(self)->tls_.judge(
        HeadOf(context, fields, count), [done, call](const absl::Status& status) {
          done(call, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
               status.ok() ? nullptr : std::string(status.message()).c_str());
        });
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<ServerTls*>(self)->FetchIfNew(config);
  }

  grpc_ssl_certificate_config_reload_status FetchIfNew(
      grpc_ssl_server_certificate_config** config) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const KeyPair> now = tls_.certificate->Current();
    if (now == shown_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const std::shared_ptr<const Trust> trust = tls_.trust->Current();
    std::string chain = now->certificate_pem;
    if (tls_.show_anchors) {
      if (chain.find(trust->anchor_pem) == std::string::npos) chain += trust->anchor_pem;
      chain += trust->further_anchors_pem;
    }
    const grpc_ssl_pem_key_cert_pair pair{.private_key = now->key_pem.c_str(),
                                          .cert_chain = chain.c_str()};
    *config = grpc_ssl_server_certificate_config_create(trust->bundle_pem.c_str(), &pair, 1);
    shown_ = std::move(now);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const ReloadingTls tls_;
  grpc_server_credentials* credentials_ = nullptr;
  std::mutex mutex_;
  std::shared_ptr<const KeyPair> shown_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ReloadingCredentials(ReloadingTls tls) {
  return std::make_shared<ServerTls>(std::move(tls));
}

}  // namespace apk
