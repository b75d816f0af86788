// apk-control-plane: the wiring diagram.
#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "common/data_dir_lock.h"
#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/admin/admin_service.h"
#include "control-plane/admin/backup_service.h"
#include "control-plane/admin/guarded_admin_service.h"
#include "control-plane/admin/identity_service.h"
#include "control-plane/admin/rollout_service.h"
#include "control-plane/authentication/authenticator.h"
#include "control-plane/discovery/discovery_service.h"
#include "control-plane/enrollment/enrollment_service.h"
#include "control-plane/enrollment/named_agents.h"
#include "control-plane/identity/authority_rotation.h"
#include "control-plane/identity/identity_ledger.h"
#include "control-plane/identity/identity_watch.h"
#include "control-plane/identity/token_server.h"
#include "control-plane/kubernetes_api/server.h"
#include "control-plane/replication/replica.h"
#include "control-plane/resources/duration.h"
#include "control-plane/rollout/rollout_control.h"
#include "control-plane/server/call_judge.h"
#include "control-plane/server/grpc_server.h"
#include "control-plane/server/lean_memory.h"
#include "control-plane/server/listen_address.h"
#include "control-plane/server/open_store.h"
#include "control-plane/server/restore_store.h"
#include "control-plane/server/seed.h"
#include "control-plane/server/user_flags.h"

namespace apk {
namespace {

struct Flags {
  StoreFlags store;
  ExternalIdentity external;
  std::string data_dir = "/var/lib/apk/control-plane";
  std::string listen = "127.0.0.1:7443";
  std::string admin_listen;  // "": with --listen.
  std::string token_listen = "127.0.0.1:7444";
  std::string kubernetes_listen = "127.0.0.1:7445";
  std::string enrollment_listen = "off";
  std::string agent_certificate_ttl = "24h";
  bool token_issuer = true;
  std::string defaults = "apk";
  uint16_t gateway_port = 9095;
  std::vector<std::string> advertise;
  std::string roles;      // "": whoever has a user's certificate may do everything.
  std::string audit_log;  // "": none.
  UserFlags users;
  std::string log_level = "info";
  // issue-certificate
  std::string agent;
  std::string user;
  std::vector<std::string> labels;
  std::string out = ".";
  // restore
  std::string backup;
};

int Fail(const absl::Status& status) {
  std::cerr << "apk-control-plane: " << std::string(status.message()) << "\n";
  return 1;
}

int IssueCertificate(const Flags& flags) {
  if (const absl::Status named = CheckTrustDomain(flags.external); !named.ok()) return Fail(named);
  const absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
      flags.external.empty() ? FindAuthority(flags.store, flags.data_dir)
                             : OpenExternalAuthority(flags.external);
  if (absl::IsNotFound(authority.status())) {
    return Fail(absl::NotFoundError(
        Concat(std::string(authority.status().message()),
               ": start the control plane once, or give its directory by --data-dir, or its "
               "store by --store")));
  }
  if (!authority.ok()) return Fail(authority.status());
  const absl::StatusOr<Labels> labels = ParseLabels(flags.labels);
  if (!labels.ok()) {
    return Fail(
        absl::InvalidArgumentError(Concat("--label: ", std::string(labels.status().message()))));
  }
  const bool agent = !flags.agent.empty();
  const CertificateSubject subject{.role = agent ? "agent" : "user",
                                   .name = agent ? flags.agent : flags.user,
                                   .labels = *labels};
  const absl::Status issued = IssueClientCertificate(**authority, subject, flags.out);
  if (!issued.ok()) return Fail(issued);
  const std::string path = Concat(flags.out, "/", subject.name);
  std::printf("%s %s: %s.crt, its key %s.key, its authority %s/ca.crt\n", subject.role.c_str(),
              subject.name.c_str(), path.c_str(), path.c_str(), flags.out.c_str());
  return 0;
}

int Restore(const Flags& flags) {
  const absl::StatusOr<std::string> file = ReadFile(flags.backup);
  if (!file.ok()) return Fail(file.status());
  const absl::StatusOr<Backup> backup = ReadBackup(*file);
  if (!backup.ok()) return Fail(backup.status());
  DataDirLock lock;
  if (const absl::Status taken = lock.Take(flags.data_dir, "control plane"); !taken.ok()) {
    return Fail(taken);
  }
  const absl::Status restored = RestoreStore(flags.store, flags.data_dir, *backup);
  if (!restored.ok()) return Fail(restored);
  std::printf("revision %llu of %s restored: %zu objects, and who had joined and was revoked\n",
              static_cast<unsigned long long>(backup->revision), backup->created.c_str(),
              backup->resources.resources().size());
  return 0;
}

struct TokenIssuing {
  std::unique_ptr<TokenIssuer> issuer;
  std::unique_ptr<TokenServer> server;
  uint16_t port() const { return server == nullptr ? 0 : server->port(); }
};

absl::Status StartTokenIssuer(const ListenAddress& listen, const Identity& identity, Store& store,
                              TokenIssuing& tokens) {
  absl::StatusOr<std::unique_ptr<TokenIssuer>> issuer = store.Issuer();
  if (!issuer.ok()) return issuer.status();
  absl::StatusOr<std::unique_ptr<TokenServer>> server =
      TokenServer::Start(**issuer, identity.development_server, listen.host, listen.port);
  if (!server.ok()) {
    return absl::Status(server.status().code(),
                        Concat("--token-issuer-listen: ", std::string(server.status().message())));
  }
  tokens.issuer = *std::move(issuer);
  tokens.server = *std::move(server);
  return absl::OkStatus();
}

constexpr char kKubernetesListen[] = "--kubernetes-listen";
constexpr char kAdminListen[] = "--admin-listen";
constexpr char kEnrollmentListen[] = "--enrollment-listen";
constexpr char kAgentCertificateTtl[] = "--agent-certificate-ttl";

// Nothing where it is turned off. What it is given outlives the server.
absl::StatusOr<std::unique_ptr<KubernetesServer>> StartKubernetesServer(
    const std::string& listen, const Identity& identity, const KubernetesServer::Uses& uses) {
  if (listen == "off") return nullptr;
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(kKubernetesListen, listen));
  auto server = KubernetesServer::Start(uses, identity, address.host, address.port);
  if (server.ok()) return server;
  return absl::Status(server.status().code(),
                      Concat(kKubernetesListen, ": ", std::string(server.status().message()),
                             "; choose another port, or turn it off: ", kKubernetesListen, " off"));
}

std::string AddressOf(const std::string& listen, const KubernetesServer* server) {
  if (server == nullptr) return "";
  return HostAndPort(ParseListenAddress(kKubernetesListen, listen)->host, server->port());
}

struct Guards {
  std::unique_ptr<RolesFile> roles;
  std::unique_ptr<AuditLog> audit;
};

absl::StatusOr<Guards> OpenGuards(const Flags& flags) {
  Guards guards;
  if (!flags.roles.empty()) {
    absl::StatusOr<std::unique_ptr<RolesFile>> roles = RolesFile::Open(flags.roles);
    if (!roles.ok()) {
      return absl::Status(roles.status().code(),
                          Concat("--roles: ", std::string(roles.status().message())));
    }
    guards.roles = *std::move(roles);
  }
  if (!flags.audit_log.empty()) {
    absl::StatusOr<std::unique_ptr<AuditLog>> audit = AuditLog::Open(flags.audit_log);
    if (!audit.ok()) {
      return absl::Status(audit.status().code(),
                          Concat("--audit-log: ", std::string(audit.status().message())));
    }
    guards.audit = *std::move(audit);
  }
  return guards;
}

// SIGHUP is for logrotate: it moves the audit log away, and has it opened anew.
void WaitForTheEnd(const sigset_t& signals, AuditLog* audit) {
  int caught = SIGHUP;
  while (caught == SIGHUP) {
    sigwait(&signals, &caught);
    if (caught == SIGHUP && audit != nullptr) audit->Reopen();
  }
}

absl::StatusOr<EnrollmentOptions> EnrollmentOf(const Flags& flags, const Identity& identity,
                                               const AgentRegistry& agents) {
  EnrollmentOptions options;
  if (flags.enrollment_listen == "off") {
    options.off = "start the control plane with --enrollment-listen, for example 0.0.0.0:7446";
  }
  options.trust = identity.trust;
  if (identity.trust->Current()->signer == nullptr) {
    options.off =
        "this control plane has no key of the authority to sign certificates with (--ca-key); get "
        "them from whoever runs the authority";
  }
  options.is_connected = [&agents](const std::string& id) { return agents.IsConnected(id); };
  constexpr uint32_t kShortestMs = 5'000;
  const std::optional<uint32_t> life = ParseDurationMs(flags.agent_certificate_ttl);
  if (!life.has_value() || *life < kShortestMs) {
    return absl::InvalidArgumentError(Concat(kAgentCertificateTtl, " ", flags.agent_certificate_ttl,
                                             ": must be a duration of at least 5s, such as 24h"));
  }
  options.certificate_life = std::chrono::seconds(*life / 1000);
  return options;
}

// Nothing where it is turned off. The service outlives the server.
absl::StatusOr<std::unique_ptr<GrpcServer>> StartEnrollmentServer(
    const std::string& listen, const Identity& identity, EnrollmentService& service,
    const ConnectionLimits& connections) {
  if (listen == "off") return nullptr;
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(kEnrollmentListen, listen));
  GrpcServer::Options options;
  options.clients = GrpcServer::ClientCertificates::kNone;
  // Strangers', and short: agents stay connected where they are.
  options.connections.connections = std::min<size_t>(connections.connections / 4, 1024);
  options.connections.per_address =
      std::min(connections.per_address, options.connections.connections / 2);
  options.services = {&service};
  auto server = GrpcServer::Start(address, identity, options);
  if (server.ok()) return server;
  return absl::Status(server.status().code(),
                      Concat(kEnrollmentListen, ": ", std::string(server.status().message())));
}

// Where users call, beside what `options` serves already. A token is no certificate: where tokens
// are taken nobody needs one for the handshake.
absl::StatusOr<std::unique_ptr<GrpcServer>> StartForUsers(
    const std::string& flag, const ListenAddress& address, const Identity& identity,
    const Authenticator& authenticator, GrpcServer::Options options,
    const std::vector<grpc::Service*>& services) {
  if (authenticator.takes_tokens()) options.clients = GrpcServer::ClientCertificates::kAccepted;
  options.services.insert(options.services.end(), services.begin(), services.end());
  auto server = GrpcServer::Start(address, identity, options);
  if (server.ok()) return server;
  return absl::Status(server.status().code(),
                      Concat(flag, ": ", std::string(server.status().message())));
}

// For people and scripts, on standard output: what listens where.
void SayReady(const std::string& grpc, const std::string& tokens, const std::string& kubernetes,
              const std::string& enrollment) {
  std::printf("ready grpc=%s token-issuer=%s kubernetes=%s enrollment=%s\n", grpc.c_str(),
              tokens.c_str(), kubernetes.empty() ? "off" : kubernetes.c_str(), enrollment.c_str());
  std::fflush(stdout);
}

SeedOptions SeedOf(const Flags& flags, const ListenAddress& token_listen, uint16_t token_port,
                   bool alone) {
  SeedOptions options;
  options.defaults.gateway = flags.defaults == "apk";
  options.defaults.gateway_port = flags.gateway_port;
  options.defaults.token_host = token_listen.Reachable(flags.advertise);
  options.defaults.token_port = token_port;
  options.shared = !alone;
  // Every control plane is reached by these, on its own machine.
  if (alone) options.own_hosts = {"127.0.0.1", "::1", "localhost", token_listen.host};
  options.own_hosts.insert(options.own_hosts.end(), flags.advertise.begin(), flags.advertise.end());
  return options;
}

int Serve(const Flags& flags) {
  if (const absl::Status named = CheckTrustDomain(flags.external); !named.ok()) return Fail(named);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Before threads: they inherit it.
  signal(SIGPIPE, SIG_IGN);
  RaiseFileLimit();

  const absl::StatusOr<ListenAddress> listen = ParseListenAddress("--listen", flags.listen);
  if (!listen.ok()) return Fail(listen.status());
  const absl::StatusOr<ListenAddress> admin_listen = ParseListenAddress(
      kAdminListen, flags.admin_listen.empty() ? flags.listen : flags.admin_listen);
  if (!admin_listen.ok()) return Fail(admin_listen.status());
  const absl::StatusOr<ListenAddress> token_listen =
      ParseListenAddress("--token-issuer-listen", flags.token_listen);
  if (!token_listen.ok()) return Fail(token_listen.status());

  const absl::StatusOr<Guards> guards = OpenGuards(flags);
  if (!guards.ok()) return Fail(guards.status());
  const Gate gate(guards->roles.get(), guards->audit.get());

  DataDirLock lock;
  const absl::Status taken = lock.Take(flags.data_dir, "control plane");
  if (!taken.ok()) return Fail(taken);
  absl::StatusOr<Store> store = Store::Open(flags.store, flags.data_dir);
  if (!store.ok()) return Fail(store.status());
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority = store->Authority();
  if (!authority.ok()) return Fail(authority.status());
  absl::StatusOr<Identity> identity =
      OpenIdentity(flags.data_dir, *std::move(authority), flags.advertise);
  if (!identity.ok()) return Fail(identity.status());
  const absl::Status certified =
      flags.external.empty() ? IssueFirstCertificates(identity->directory, *identity->authority)
                             : UseExternal(flags.external, *identity);
  if (!certified.ok()) return Fail(certified);
  TokenIssuing tokens;
  if (flags.token_issuer) {
    const absl::Status started = StartTokenIssuer(*token_listen, *identity, *store, tokens);
    if (!started.ok()) return Fail(started);
  }

  IdentityLedger ledger(store->records(), flags.external.trust_domain);
  if (const absl::Status loaded = ledger.Load(); !loaded.ok()) return Fail(loaded);
  AuthorityRotation rotation(ledger, *identity);
  IdentityWatch identities(ledger);
  identities.Watch([&rotation] { rotation.Follow(); });
  NamedAgents named_agents(ledger);
  const absl::StatusOr<TokenUsers> token_users = OpenTokenUsers(flags.users, !flags.roles.empty());
  if (!token_users.ok()) return Fail(token_users.status());
  const Authenticator authenticator(ledger, token_users->tokens.get());
  Limits limits(flags.users.limits);
  SnapshotCache snapshots;
  AgentRegistry agents;
  ChangeFeed feed;
  RolloutBook rollouts(store->records());
  Configuration configuration(store->log(), snapshots, agents, feed);
  configuration.LimitNamespaces(flags.users.quota);
  RolloutControl rollout_control(rollouts, configuration, snapshots, agents);
  std::unique_ptr<Replica> replica;
  if (store->etcd_log() != nullptr) {
    replica = std::make_unique<Replica>(*store->etcd(), *store->etcd_log(), store->etcd_prefix(),
                                        configuration, agents, ledger, rollouts, rollout_control);
  }
  if (const absl::Status loaded = rollout_control.Load(); !loaded.ok()) return Fail(loaded);
  if (const absl::Status loaded = configuration.Load(); !loaded.ok()) return Fail(loaded);
  const SeedOptions seed = SeedOf(flags, *token_listen, tokens.port(), replica == nullptr);
  if (const absl::Status seeded = Seed(seed, *identity->authority, configuration); !seeded.ok()) {
    return Fail(seeded);
  }
  rollout_control.Start();
  if (replica != nullptr) replica->Start();
  const ConnectionLimits connections = ConnectionsOf(flags.users);
  KubernetesApi kubernetes_api(configuration, gate);
  const absl::StatusOr<std::unique_ptr<KubernetesServer>> kubernetes =
      StartKubernetesServer(flags.kubernetes_listen, *identity,
                            {.api = kubernetes_api,
                             .feed = feed,
                             .identities = identities,
                             .authenticator = authenticator,
                             .limits = limits,
                             .connections_per_address = connections.per_address});
  if (!kubernetes.ok()) return Fail(kubernetes.status());
  const std::string kubernetes_address = AddressOf(flags.kubernetes_listen, kubernetes->get());
  const absl::StatusOr<EnrollmentOptions> enrolling = EnrollmentOf(flags, *identity, agents);
  if (!enrolling.ok()) return Fail(enrolling.status());
  Enrollment enrollment(ledger, *enrolling);
  AdminService admin(authenticator, configuration, feed, agents, snapshots, tokens.issuer.get(),
                     kubernetes_address);
  const Guard guard{gate, authenticator};
  GuardedAdminService guarded_admin(admin, guard);
  BackupService backup(configuration, ledger, rollouts, rollout_control, guard);
  IdentityService identity_service(ledger, enrollment, rotation, guard);
  RolloutService rollout_service(rollout_control, guard);
  DiscoveryService discovery(snapshots, agents, identities, store->id(), [&replica] {
    if (replica != nullptr) replica->ReadSoon();
  });
  EnrollmentService enrollment_service(enrollment);
  absl::StatusOr<std::unique_ptr<GrpcServer>> enrollment_server =
      StartEnrollmentServer(flags.enrollment_listen, *identity, enrollment_service, connections);
  if (!enrollment_server.ok()) return Fail(enrollment_server.status());
  const std::vector<grpc::Service*> for_users = {&guarded_admin, &backup, &identity_service,
                                                 &rollout_service};
  GrpcServer::Options options;
  options.judge = JudgeOf(authenticator, limits);
  options.counter = [&] { return CounterOf(authenticator, limits); };
  options.connections = connections;
  std::unique_ptr<GrpcServer> admin_server;
  if (!flags.admin_listen.empty()) {
    absl::StatusOr<std::unique_ptr<GrpcServer>> started =
        StartForUsers(kAdminListen, *admin_listen, *identity, authenticator, options, for_users);
    if (!started.ok()) return Fail(started.status());
    admin_server = *std::move(started);
  }
  options.services = {&discovery};
  absl::StatusOr<std::unique_ptr<GrpcServer>> server =
      admin_server == nullptr
          ? StartForUsers("--listen", *listen, *identity, authenticator, options, for_users)
          : GrpcServer::Start(*listen, *identity, options);
  if (!server.ok()) return Fail(server.status());
  const ListenAddress& users_listen = admin_server == nullptr ? *listen : *admin_listen;
  rollout_control.OnTrafficWanted(
      [&discovery](std::chrono::milliseconds every) { discovery.AskTraffic(every); });
  const std::string for_clients =
      HostAndPort(users_listen.Reachable({}),
                  admin_server == nullptr ? (*server)->port() : admin_server->port());
  const absl::Status written = identity->external
                                   ? absl::FailedPreconditionError(
                                         "users' certificates are another authority's: write one "
                                         "that names yours")
                                   : WriteClientConfig(flags.data_dir, for_clients);
  if (!written.ok()) {
    LogWarning("apkctl.yaml not written", {{"reason", std::string(written.message())}});
  }
  const std::string token_address =
      tokens.server == nullptr ? "off" : HostAndPort(seed.defaults.token_host, tokens.port());
  if (admin_server != nullptr) {
    LogInfo("the admin API has a port of its own",
            {{"address", HostAndPort(admin_listen->host, admin_server->port())}});
  }
  SayReady(HostAndPort(listen->host, (*server)->port()), token_address, kubernetes_address,
           *enrollment_server == nullptr
               ? "off"
               : HostAndPort(ParseListenAddress(kEnrollmentListen, flags.enrollment_listen)->host,
                             (*enrollment_server)->port()));

  WaitForTheEnd(signals, guards->audit.get());
  LogInfo("stopping");
  if (replica != nullptr) replica->Stop();
  rollout_control.OnTrafficWanted(nullptr);
  rollout_control.Stop();
  admin.Shutdown();
  discovery.Shutdown();
  // While there are servers that who waits for keys can be answered by.
  if (token_users->keys != nullptr) token_users->keys->Stop();
  if (*enrollment_server != nullptr) (*enrollment_server)->Shutdown();
  if (admin_server != nullptr) admin_server->Shutdown();
  (*server)->Shutdown();
  return 0;
}

void AddStoreFlags(CLI::App& app, StoreFlags& store) {
  app.add_option("--store", store.store,
                 "Where the configuration is kept: embedded (in the data directory), or "
                 "etcd://host:port[,host:port...][/prefix] for several control planes, which share "
                 "everything there, private keys included: protect that etcd")
      ->capture_default_str();
  app.add_option("--store-ca", store.ca,
                 "PEM file: who signed the certificate of etcd; without it TLS is not used");
  app.add_option("--store-cert", store.certificate, "PEM file: the client certificate for etcd");
  app.add_option("--store-key", store.key, "PEM file: its key");
}

void AddExternalFlags(CLI::App& app, ExternalIdentity& external) {
  app.add_option(
      "--ca-cert", external.ca_certificate,
      "PEM file: who signs the certificates of agents and users, instead of the built-in "
      "authority");
  app.add_option("--ca-key", external.ca_key,
                 "PEM file: the key of one of them, to sign for agents that join");
  app.add_option("--trust-domain", external.trust_domain,
                 "Of the URIs in its certificates: spiffe://DOMAIN/agent/NAME")
      ->capture_default_str();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--data-dir", flags.data_dir,
                 "Embedded store, certificates, apkctl.yaml; each control plane has its own")
      ->capture_default_str();
  AddStoreFlags(app, flags.store);
  AddExternalFlags(app, flags.external);
  app.add_option(
      "--server-cert", flags.external.server_certificate,
      "PEM file: the certificate of the APIs, signed by one of --ca-cert, and its chain");
  app.add_option("--server-key", flags.external.server_key, "PEM file: its key");
  app.add_option("--listen", flags.listen, "gRPC: admin API and discovery, address:port")
      ->capture_default_str();
  app.add_option(kAdminListen, flags.admin_listen,
                 "gRPC: a port for the admin API alone, address:port, which --listen then does not "
                 "have: that one is for agents");
  app.add_option("--token-issuer-listen", flags.token_listen,
                 "HTTPS of the development token issuer, address:port")
      ->capture_default_str();
  app.add_option(kKubernetesListen, flags.kubernetes_listen,
                 "HTTPS for kubectl, address:port, or off")
      ->capture_default_str();
  app.add_option(kEnrollmentListen, flags.enrollment_listen,
                 "gRPC for agents that join by a token and renew their certificates, address:port, "
                 "or off")
      ->capture_default_str();
  app.add_option(kAgentCertificateTtl, flags.agent_certificate_ttl,
                 "How long certificates of agents that joined by a token are valid; they renew "
                 "them by themselves")
      ->capture_default_str();
  app.add_option(
         "--development-token-issuer", flags.token_issuer,
         "Issue tokens to the well-known development client; the same for all control planes "
         "of a store")
      ->capture_default_str();
  app.add_option("--defaults", flags.defaults,
                 "What an empty store gets: apk (Gateway and token route) or none")
      ->check(CLI::IsMember({"apk", "none"}))
      ->capture_default_str();
  app.add_option("--gateway-port", flags.gateway_port, "Port of the default Gateway")
      ->capture_default_str();
  app.add_option("--advertise", flags.advertise,
                 "Further DNS names and IP addresses of this control plane, for its certificate");
  app.add_option("--roles", flags.roles,
                 "YAML file: which users may read, edit or administrate what; read anew when it "
                 "changes. Without it whoever has a user's certificate may do everything");
  AddUserFlags(app, flags.users);
  app.add_option("--audit-log", flags.audit_log,
                 "File for a line of JSON about each change and each that was refused, - for "
                 "standard error; opened anew on SIGHUP. Nothing is changed while it can't be "
                 "written");
  app.add_option("--log-level", flags.log_level, "How much to log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
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
  apk::AddStoreFlags(*issue, flags.store);
  apk::AddExternalFlags(*issue, flags.external);
  CLI::Option_group* const subject = issue->add_option_group("subject", "Whom it is for");
  subject->add_option("--agent", flags.agent, "An agent, by its --id");
  CLI::Option* const user = subject->add_option("--user", flags.user, "A user of the admin API");
  subject->require_option(1);
  issue
      ->add_option("--label", flags.labels,
                   "key=value, of the agent: Gateways select agents by their labels; repeatable")
      ->excludes(user);
  issue->add_option("--out", flags.out, "Directory to write to")->capture_default_str();
  CLI::App* const restore =
      app.add_subcommand("restore", "Make an empty store from a backup, before the first start");
  restore->add_option("--data-dir", flags.data_dir, "Of the control plane")->capture_default_str();
  apk::AddStoreFlags(*restore, flags.store);
  restore->add_option("-f,--filename", flags.backup, "A file that apkctl backup wrote")->required();
  CLI11_PARSE(app, argc, argv);
  apk::UseMemoryLeanly();
  apk::InitLog("apk-control-plane", flags.log_level);
  if (restore->parsed()) return apk::Restore(flags);
  return issue->parsed() ? apk::IssueCertificate(flags) : apk::Serve(flags);
}
