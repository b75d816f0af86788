// apk-control-plane: the wiring diagram.
#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "common/log.h"
#include "common/strings.h"
#include "control-plane/admin/admin_service.h"
#include "control-plane/defaults/defaults.h"
#include "control-plane/discovery/discovery_service.h"
#include "control-plane/identity/token_server.h"
#include "control-plane/server/data_dir_lock.h"
#include "control-plane/server/grpc_server.h"
#include "control-plane/store/sqlite_log.h"

namespace apk {
namespace {

struct Flags {
  std::string data_dir = "/var/lib/apk/control-plane";
  std::string listen = "127.0.0.1:7443";
  std::string token_listen = "127.0.0.1:7444";
  bool token_issuer = true;
  std::string defaults = "apk";
  uint16_t gateway_port = 9095;
  std::vector<std::string> advertise;
  std::string log_level = "info";
  // issue-certificate
  std::string agent;
  std::string user;
  std::string out = ".";
};

int Fail(const absl::Status& status) {
  std::cerr << "apk-control-plane: " << std::string(status.message()) << "\n";
  return 1;
}

int IssueCertificate(const Flags& flags) {
  const absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
      CertificateAuthority::Open(flags.data_dir + "/pki");
  if (!authority.ok()) return Fail(authority.status());
  const absl::Status issued =
      flags.agent.empty() ? IssueClientCertificate(**authority, "user", flags.user, flags.out)
                          : IssueClientCertificate(**authority, "agent", flags.agent, flags.out);
  return issued.ok() ? 0 : Fail(issued);
}

// An empty store gets the defaults; another only the token issuer's port, where it changed.
absl::Status Seed(const Flags& flags, uint16_t token_port, const CertificateAuthority& authority,
                  Configuration& configuration) {
  DefaultsOptions options;
  options.gateway = flags.defaults == "apk";
  options.gateway_port = flags.gateway_port;
  options.token_port = token_port;
  v1::ApplyRequest request;
  const Configuration::View view = configuration.Current();
  if (view.revision == 0) {
    absl::StatusOr<v1::ApplyRequest> defaults = MakeDefaults(options, authority);
    if (!defaults.ok()) return defaults.status();
    request = *std::move(defaults);
  } else if (options.gateway && token_port != 0) {
    const ResourceKey backend{.group = "dp.wso2.com",
                              .kind = "Backend",
                              .namespace_name = "apk-system",
                              .name = "token-issuer"};
    if (view.resources->Find(backend) == nullptr) return absl::OkStatus();  // Its user removed it.
    request = MakeTokenRoute(options, authority);
  }
  const absl::StatusOr<v1::ApplyResponse> applied = configuration.Apply(request, "control-plane");
  if (!applied.ok()) return applied.status();
  for (const v1::Violation& violation : applied->violations()) {
    if (violation.severity() == v1::Violation::ERROR) {
      return absl::InternalError(
          Concat("defaults: ", violation.field_path(), ": ", violation.message()));
    }
  }
  return absl::OkStatus();
}

bool SplitAddress(const std::string& text, std::string& host, uint16_t& port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  const unsigned long number = std::stoul(digits);
  port = static_cast<uint16_t>(number);
  return number <= 65535;
}

struct TokenIssuing {
  std::unique_ptr<TokenIssuer> issuer;
  std::unique_ptr<TokenServer> server;
  uint16_t port() const { return server == nullptr ? 0 : server->port(); }
};

absl::Status StartTokenIssuer(const Flags& flags, const Identity& identity, TokenIssuing& tokens) {
  if (!flags.token_issuer) return absl::OkStatus();
  std::string host;
  uint16_t port = 0;
  if (!SplitAddress(flags.token_listen, host, port)) {
    return absl::InvalidArgumentError(
        Concat("--token-issuer-listen ", flags.token_listen, ": not address:port"));
  }
  absl::StatusOr<std::unique_ptr<TokenIssuer>> issuer =
      TokenIssuer::Open(identity.directory + "/token-issuer.key");
  if (!issuer.ok()) return issuer.status();
  absl::StatusOr<std::unique_ptr<TokenServer>> server =
      TokenServer::Start(**issuer, identity.server, host, port);
  if (!server.ok()) {
    return absl::Status(server.status().code(),
                        Concat("--token-issuer-listen: ", std::string(server.status().message())));
  }
  tokens.issuer = *std::move(issuer);
  tokens.server = *std::move(server);
  return absl::OkStatus();
}

int Serve(const Flags& flags) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Before threads: they inherit it.
  signal(SIGPIPE, SIG_IGN);

  DataDirLock lock;
  if (const absl::Status taken = lock.Take(flags.data_dir); !taken.ok()) return Fail(taken);
  absl::StatusOr<Identity> identity = OpenIdentity(flags.data_dir, flags.advertise);
  if (!identity.ok()) return Fail(identity.status());
  absl::StatusOr<std::unique_ptr<SqliteLog>> log = SqliteLog::Open(flags.data_dir + "/store.db");
  if (!log.ok()) return Fail(log.status());
  TokenIssuing tokens;
  if (const absl::Status started = StartTokenIssuer(flags, *identity, tokens); !started.ok()) {
    return Fail(started);
  }

  SnapshotCache snapshots;
  AgentRegistry agents;
  ChangeFeed feed;
  Configuration configuration(**log, snapshots, agents, feed);
  if (const absl::Status loaded = configuration.Load(); !loaded.ok()) return Fail(loaded);
  if (const absl::Status seeded = Seed(flags, tokens.port(), *identity->authority, configuration);
      !seeded.ok()) {
    return Fail(seeded);
  }
  AdminService admin(configuration, feed, agents, snapshots, tokens.issuer.get());
  DiscoveryService discovery(snapshots, agents);
  absl::StatusOr<std::unique_ptr<GrpcServer>> server =
      GrpcServer::Start(flags.listen, *identity, &admin, &discovery);
  if (!server.ok()) {
    return Fail(
        absl::UnavailableError(Concat("--listen: ", std::string(server.status().message()))));
  }
  if (const absl::Status written = WriteClientConfig(flags.data_dir, (*server)->address());
      !written.ok()) {
    return Fail(written);
  }
  const std::string token_address =
      tokens.server == nullptr ? "off"
                               : Concat(flags.token_listen.substr(0, flags.token_listen.rfind(':')),
                                        ":", std::to_string(tokens.port()));
  std::printf("ready grpc=%s token-issuer=%s\n", (*server)->address().c_str(),
              token_address.c_str());
  std::fflush(stdout);

  int caught = 0;
  sigwait(&signals, &caught);
  LogInfo("stopping");
  admin.Shutdown();
  (*server)->Shutdown();
  return 0;
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--data-dir", flags.data_dir, "Store, certificates, apkctl.yaml")
      ->capture_default_str();
  app.add_option("--listen", flags.listen, "gRPC: admin API and discovery, address:port")
      ->capture_default_str();
  app.add_option("--token-issuer-listen", flags.token_listen,
                 "HTTPS of the development token issuer, address:port")
      ->capture_default_str();
  app.add_option("--development-token-issuer", flags.token_issuer,
                 "Issue tokens to the well-known development client")
      ->capture_default_str();
  app.add_option("--defaults", flags.defaults,
                 "What an empty store gets: apk (Gateway and token route) or none")
      ->check(CLI::IsMember({"apk", "none"}))
      ->capture_default_str();
  app.add_option("--gateway-port", flags.gateway_port, "Port of the default Gateway")
      ->capture_default_str();
  app.add_option("--advertise", flags.advertise,
                 "Further DNS names and IP addresses of this control plane, for its certificate");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->capture_default_str();
  app.set_version_flag("--version", "apk-control-plane " APK_VERSION);
}

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  apk::Flags flags;
  CLI::App app("Validates and stores resources, and streams them to agents as snapshots",
               "apk-control-plane");
  apk::AddFlags(app, flags);
  CLI::App* const issue =
      app.add_subcommand("issue-certificate", "Write a client certificate and its key");
  issue->add_option("--data-dir", flags.data_dir, "Of the control plane")->capture_default_str();
  issue->add_option("--agent", flags.agent, "Name of an agent");
  issue->add_option("--user", flags.user, "Name of a user of the admin API");
  issue->add_option("--out", flags.out, "Directory to write to")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  apk::InitLog("apk-control-plane", flags.log_level);
  return issue->parsed() ? apk::IssueCertificate(flags) : apk::Serve(flags);
}
