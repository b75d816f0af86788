// The C core asks for the certificate before each handshake; the C++ interface of gRPC 1.51 has no
// word for it, but lets credentials bind the port themselves.
#include "control-plane/server/reloading_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <mutex>

namespace apk {
namespace {

class Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(ReloadingTls tls) : tls_(std::move(tls)) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(tls_.clients, &Fetch,
                                                                        this));
  }
  ~Credentials() override { grpc_server_credentials_release(credentials_); }

  // Nobody here is known by anything but the certificate.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Credentials*>(self)->FetchIfNew(config);
  }

  grpc_ssl_certificate_config_reload_status FetchIfNew(
      grpc_ssl_server_certificate_config** config) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const KeyPair> now = tls_.certificate->Current();
    if (now == shown_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    std::string chain = now->certificate_pem;
    if (chain.find(tls_.chain_end) == std::string::npos) chain += tls_.chain_end;
    const grpc_ssl_pem_key_cert_pair pair{.private_key = now->key_pem.c_str(),
                                          .cert_chain = chain.c_str()};
    *config = grpc_ssl_server_certificate_config_create(tls_.trust_pem.c_str(), &pair, 1);
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
  return std::make_shared<Credentials>(std::move(tls));
}

}  // namespace apk
