// One context a port, with every listener's certificates in its SNI table.
#include "data-plane/worker/port_contexts.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

std::vector<ServerCertificate> CertificatesOf(const Port& port) {
  std::vector<ServerCertificate> certificates;
  for (const Listener& listener : port.listeners) {
    for (const Certificate* const certificate : listener.certificates) {
      ServerCertificate& entry = certificates.emplace_back();
      entry.hostnames.push_back(listener.hostname);
      entry.chain_pem = certificate->chain_pem;
      entry.key_pem = certificate->key_pem;
    }
  }
  return certificates;
}

std::string FingerprintOf(const std::vector<ServerCertificate>& certificates) {
  std::string fingerprint;
  for (const ServerCertificate& certificate : certificates) {
    fingerprint += Concat(Join(certificate.hostnames, ","), "\n", certificate.chain_pem, "\n",
                          certificate.key_pem, "\n");
  }
  return fingerprint;
}

}  // namespace

PortError MakePortError(const Port& port, const std::string& address,
                        const boost::system::error_code& error) {
  return {.address = port.address,
          .port = port.port,
          .message = Concat("can't listen on ", address, ":", std::to_string(port.port), ": ",
                            error.message()),
          .address_unusable = error == boost::system::errc::address_not_available};
}

SslContext PortContexts::Find(const std::string& address, uint16_t port) const {
  const auto found = by_port.find({address, port});
  return found == by_port.end() ? nullptr : found->second.context;
}

absl::StatusOr<std::shared_ptr<PortContexts>> MakePortContexts(const RouteTable& table,
                                                               const PortContexts* previous) {
  auto contexts = std::make_shared<PortContexts>();
  for (const Port& port : table.ports()) {
    if (!port.tls) continue;
    const std::vector<ServerCertificate> certificates = CertificatesOf(port);
    PortContexts::Entry entry;
    entry.fingerprint = FingerprintOf(certificates);
    if (previous != nullptr) {
      const auto found = previous->by_port.find({port.address, port.port});
      if (found != previous->by_port.end() && found->second.fingerprint == entry.fingerprint) {
        entry.context = found->second.context;
      }
    }
    if (entry.context == nullptr) {
      ASSIGN_OR_RETURN(entry.context, MakeServerContext(certificates));
    }
    contexts->by_port[{port.address, port.port}] = std::move(entry);
  }
  return contexts;
}

}  // namespace apk
