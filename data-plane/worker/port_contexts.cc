// One context a port, with the settings of every listener in it.
#include "data-plane/worker/port_contexts.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

// Of the listeners that terminate TLS.
std::vector<ServerSettings> SettingsOf(const Port& port) {
  std::vector<ServerSettings> all;
  for (const Listener& listener : port.listeners) {
    if (listener.passthrough) continue;
    ServerSettings& settings = all.emplace_back();
    settings.name = listener.name;
    settings.hostname = listener.hostname;
    for (const Certificate* const certificate : listener.certificates) {
      settings.certificates.push_back({.chain_pem = certificate->chain_pem,
                                       .key_pem = certificate->key_pem,
                                       .ocsp_response = certificate->ocsp_response});
    }
    if (listener.http) settings.protocols = {"h2", "http/1.1"};
    if (listener.client_validation.has_value()) {
      settings.client_ca_pem = listener.client_validation->ca_pem;
      settings.insecure_fallback = listener.client_validation->insecure_fallback;
      settings.client_rules = listener.client_rules;
    }
  }
  return all;
}

std::string FingerprintOf(const std::vector<ServerSettings>& all) {
  std::string fingerprint;
  for (const ServerSettings& settings : all) {
    fingerprint +=
        Concat(settings.name, "\n", settings.hostname, "\n", Join(settings.protocols, ","), "\n",
               settings.client_ca_pem, "\n", std::to_string(settings.client_rules), "\n");
    for (const ServerCertificate& certificate : settings.certificates) {
      fingerprint += Concat(certificate.chain_pem, "\n", certificate.key_pem, "\n",
                            certificate.ocsp_response, "\n");
    }
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

absl::StatusOr<std::shared_ptr<PortContexts>> MakePortContexts(
    const RouteTable& table, const PortContexts* previous,
    const std::shared_ptr<TicketKeys>& tickets, RecordsBy records) {
  auto contexts = std::make_shared<PortContexts>();
  for (const Port& port : table.ports()) {
    if (!port.tls) continue;
    const std::vector<ServerSettings> settings = SettingsOf(port);
    if (settings.empty()) continue;
    PortContexts::Entry entry;
    entry.fingerprint = FingerprintOf(settings);
    if (previous != nullptr) {
      const auto found = previous->by_port.find({port.address, port.port});
      if (found != previous->by_port.end() && found->second.fingerprint == entry.fingerprint) {
        entry.context = found->second.context;
      }
    }
    if (entry.context == nullptr) {
      ASSIGN_OR_RETURN(entry.context, MakeServerContext(settings, tickets, records));
    }
    contexts->by_port[{port.address, port.port}] = std::move(entry);
  }
  return contexts;
}

}  // namespace apk
