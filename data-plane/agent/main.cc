// apk-data-plane: the wiring diagram of an agent.
#include <signal.h>
#include <unistd.h>

#ifdef APK_MIMALLOC
#include <mimalloc.h>
#endif

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <thread>

#include "common/data_dir_lock.h"
#include "common/join_token.h"
#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/agent/admin_pages.h"
#include "data-plane/agent/agent.h"
#include "data-plane/agent/counted_allocation.h"
#include "data-plane/agent/discovery_client.h"
#include "data-plane/agent/heap_statistics.h"
#include "data-plane/agent/profile_pages.h"
#include "data-plane/auth/jwks_fetcher.h"
#include "data-plane/identity/file_identity.h"
#include "data-plane/identity/identity_keeper.h"
#include "data-plane/otlp/span_exporter.h"

namespace apk {
namespace {

constexpr int kWorkersMax = 1024;

struct Flags {
  std::string id = "agent";
  std::vector<std::string> control_planes = {"127.0.0.1:7443"};
  IdentityPaths identity;
  std::string join_token;
  std::string join_token_file;
  std::vector<std::string> enrollment;
  std::string data_dir = "/var/lib/apk/data-plane";
  std::string admin = "127.0.0.1:9501";
  std::string log_level = "info";
  std::string access_log;
  std::string access_log_format = "json";
  std::string otlp_endpoint;
  std::string service_name = "apk-data-plane";
  TracingOptions tracing;
  int workers = 0;
  int pin = -1;
  int drain_seconds = 30;
  std::vector<std::string> dns_servers;
  WorkerOptions worker;
  MirrorLimits mirror;
};

// A limit that is a duration, in milliseconds.
void AddMilliseconds(CLI::App& app, const char* name, std::chrono::milliseconds& value,
                     const char* description, int least = 1) {
  app.add_option_function<int>(
         name, [&value](int milliseconds) { value = std::chrono::milliseconds(milliseconds); },
         description)
      ->check(CLI::Range(least, 3'600'000))
      ->default_str(std::to_string(value.count()))
      ->option_text("MS [" + std::to_string(value.count()) + "]");
}

void AddMirrorFlags(CLI::App& app, MirrorLimits& mirror) {
  app.add_option("--mirror-nice", mirror.nice, "Niceness of the mirror thread")
      ->check(CLI::Range(0, 19))
      ->capture_default_str();
  app.add_option("--mirror-in-flight", mirror.in_flight_max,
                 "Copies that one mirror may have to answer at a time")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app.add_option(
         "--mirror-pipelining", mirror.pipelined_max,
         "Copies without bodies that a mirror which answers at once is sent on a connection "
         "before its first answer; 1: none")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  AddMilliseconds(app, "--mirror-quick-ms", mirror.quick,
                  "What a copy may take where --mirror-pipelining is to be used");
  app.add_option("--mirror-queue", mirror.waiting_copies_max,
                 "Copies that wait for one mirror; more are dropped")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--mirror-queue-bytes", mirror.waiting_bytes_max,
                 "Bytes of the copies that wait for one mirror")
      ->capture_default_str();
  app.add_option("--mirror-body-bytes", mirror.copy_bytes_max,
                 "Body bytes held for a mirror that reads slower than its client sends; a quarter "
                 "of the total while less than half of that is held")
      ->capture_default_str();
  app.add_option("--mirror-total-bytes", mirror.total_bytes_max,
                 "Body bytes held for all mirrors together")
      ->capture_default_str();
  AddMilliseconds(app, "--mirror-timeout-ms", mirror.timeout,
                  "From what the client sent last to the mirror's answer");
  AddMilliseconds(app, "--mirror-connect-timeout-ms", mirror.connect_timeout,
                  "Until a connection to a mirror stands, TLS included");
}

void AddClientFlags(CLI::App& app, WorkerOptions& worker) {
  AddMilliseconds(app, "--head-timeout-ms", worker.session.head_timeout,
                  "How long a client may take to send a request's head");
  AddMilliseconds(app, "--idle-timeout-ms", worker.session.idle_timeout,
                  "How long a client may keep a connection without a request");
  AddMilliseconds(app, "--body-timeout-ms", worker.session.body_stall_timeout,
                  "How long a client may pause while it sends a body");
  AddMilliseconds(app, "--write-timeout-ms", worker.session.write_stall_timeout,
                  "How long a client may take to read up to 64 KiB");
  app.add_option("--max-body-bytes", worker.forward.body_bytes_max,
                 "What a request's body may have; 0 is any number")
      ->capture_default_str();
  app.add_option("--connections-per-address", worker.connections_per_address_max,
                 "Connections that one client address may have; 0 is any number")
      ->capture_default_str();
}

void AddBackendFlags(CLI::App& app, PoolLimits& pool) {
  EjectionPolicy& ejection = pool.ejection;
  app.add_option("--eject-after", ejection.failures,
                 "Requests in a row that an endpoint may fail before it is left alone for a while, "
                 "where its backend has others; 0: it never is")
      ->capture_default_str();
  AddMilliseconds(app, "--eject-ms", ejection.base,
                  "For how long the first time, that much longer each time after");
  AddMilliseconds(app, "--eject-max-ms", ejection.longest, "For how long at most");
  app.add_option("--eject-percent", ejection.percent_max,
                 "How many of a backend's endpoints may be left alone, but always one")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  AddMilliseconds(app, "--slow-start-ms", pool.slow_start,
                  "How long an endpoint that comes back takes to get its whole share; 0: no time",
                  0);
}

void AddIdentityFlags(CLI::App& app, Flags& flags) {
  app.add_option("--ca", flags.identity.ca, "PEM file: who signed the control plane's certificate");
  CLI::Option* const certificate = app.add_option(
      "--cert", flags.identity.certificate,
      "PEM file: this agent's client certificate; it is read anew for each connection");
  app.add_option("--key", flags.identity.key, "PEM file: its key");
  CLI::Option* const token = app.add_option(
      "--join-token", flags.join_token,
      "What apkctl agents token create printed: instead of --ca, --cert and --key, which the agent "
      "then gets, keeps in --data-dir and renews by itself; not needed once it has joined");
  CLI::Option* const file =
      app.add_option("--join-token-file", flags.join_token_file, "File with the join token");
  token->excludes(file)->excludes(certificate);
  file->excludes(certificate);
  app.add_option("--enrollment", flags.enrollment,
                 "Where control planes let agents join and renew, host:port, with commas between "
                 "[the hosts of --control-plane, port 7446]")
      ->delimiter(',');
}

void AddTraceFlags(CLI::App& app, Flags& flags) {
  app.add_option("--otlp-endpoint", flags.otlp_endpoint,
                 "Where spans of traces are posted to, in protobuf: the URL that /v1/traces is put "
                 "behind, such as http://127.0.0.1:4318; none are recorded without it")
      ->check([](const std::string& text) {
        return std::string(Collector::TracesUrl(text).status().message());
      });
  app.add_option("--trace-sample", flags.tracing.ratio,
                 "Share, from 0 to 1, of the requests without traceparent that are recorded; those "
                 "with one are where it says so")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--trace-mirrors",
         [&flags](const std::string& text) { flags.tracing.copies = text == "inherit"; },
         "inherit: copies are recorded where their requests are, never: mirrors are told that they "
         "are not")
      ->check(CLI::IsMember({"inherit", "never"}))
      ->default_str("inherit");
  app.add_option("--service-name", flags.service_name, "service.name of spans")
      ->capture_default_str();
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--id", flags.id, "Name of this agent, unique in the fleet")
      ->capture_default_str();
  app.add_option("--control-plane", flags.control_planes,
                 "Where to get snapshots, host:port; several of one store, with commas between, "
                 "where another one is to be asked when one is gone")
      ->delimiter(',')
      ->capture_default_str();
  AddIdentityFlags(app, flags);
  app.add_option("--address", flags.worker.default_address,
                 "IP address for Gateways that name none")
      ->capture_default_str();
  app.add_option("--data-dir", flags.data_dir, "Where the last snapshot is kept")
      ->capture_default_str();
  app.add_option("--admin", flags.admin, "Health and metrics, address:port")->capture_default_str();
  app.add_option("--workers", flags.workers, "Worker threads; 0 is one per core")
      ->check(CLI::Range(0, kWorkersMax))
      ->capture_default_str();
  app.add_option("--pin", flags.pin, "Pin worker n to core PIN + n; -1: no pinning")
      ->check(CLI::Range(-1, kWorkersMax))
      ->capture_default_str();
  AddMirrorFlags(app, flags.mirror);
  app.add_option("--drain-seconds", flags.drain_seconds, "Grace for open exchanges at the end")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  AddClientFlags(app, flags.worker);
  AddBackendFlags(app, flags.worker.pool);
  app.add_option("--dns-server", flags.dns_servers,
                 "Address:port to ask for names instead of /etc/resolv.conf's; repeatable")
      ->check([](const std::string& text) {
        return IsDnsServer(text) ? "" : "not an IP address and port, such as 127.0.0.1:53";
      });
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--access-log", flags.access_log,
                 "File or pipe for a line a request, - for standard output; SIGHUP opens it anew");
  app.add_option("--access-log-format", flags.access_log_format,
                 "json, or a template such as {time} {client} \"{method} {path}\" {status}")
      ->capture_default_str()
      ->check([](const std::string& text) {
        return std::string(AccessFormat::Parse(text).status().message());
      });
  AddTraceFlags(app, flags);
  app.set_version_flag("--version", "apk-data-plane " APK_VERSION);
}

// The token of the flags; nullopt where there is none. INVALID_ARGUMENT where it is malformed. The
// file may be gone once the agent has joined.
absl::StatusOr<std::optional<JoinToken>> ReadJoinToken(const Flags& flags, bool joined) {
  std::string text = flags.join_token;
  if (!flags.join_token_file.empty()) {
    const absl::StatusOr<std::string> file = ReadFile(flags.join_token_file);
    if (joined && absl::IsNotFound(file.status())) return std::nullopt;
    if (!file.ok()) return file.status();
    text = *file;
  }
  if (text.empty()) return std::nullopt;
  const absl::StatusOr<JoinToken> token = ParseJoinToken(text);
  if (token.ok()) return *token;
  const std::string flag = flags.join_token_file.empty() ? "--join-token" : "--join-token-file";
  return absl::InvalidArgumentError(Concat(flag, ": ", std::string(token.status().message())));
}

// host:7446 for each host:7443.
std::vector<std::string> EnrollmentAddresses(const Flags& flags) {
  if (!flags.enrollment.empty()) return flags.enrollment;
  std::vector<std::string> addresses;
  for (const std::string& control_plane : flags.control_planes) {
    addresses.push_back(control_plane.substr(0, control_plane.rfind(':')) + ":7446");
  }
  return addresses;
}

// Where the agent's certificate comes from: files of the operator, or a token that it joins by.
struct AgentIdentity {
  std::unique_ptr<FileIdentity> files;
  std::unique_ptr<IdentityKeeper> keeper;

  std::optional<SystemTime> expires() const {
    return keeper != nullptr ? keeper->expires() : files->expires();
  }
  std::optional<TlsIdentity> Current() const {
    return keeper != nullptr ? keeper->Current() : files->Current();
  }
};

// `on_refused` as in IdentityOptions.
absl::StatusOr<AgentIdentity> OpenIdentity(const Flags& flags,
                                           std::function<void(const absl::Status&)> on_refused) {
  IdentityOptions options;
  options.directory = flags.data_dir + "/identity";
  const bool joined =
      IdentityFiles(options.directory).Exist() && flags.identity.certificate.empty();
  ASSIGN_OR_RETURN(options.token, ReadJoinToken(flags, joined));
  options.agent = flags.id;
  options.enrollment = EnrollmentAddresses(flags);
  options.on_refused = std::move(on_refused);
  AgentIdentity identity;
  if (options.token.has_value() || joined) {
    identity.keeper = std::make_unique<IdentityKeeper>(std::move(options));
    return identity;
  }
  identity.files = std::make_unique<FileIdentity>(flags.identity);
  RETURN_IF_ERROR(identity.files->Load());
  return identity;
}

// "127.0.0.1:9501" or "[::1]:9501".
bool SplitHostPort(std::string_view text, std::string& host, uint16_t& port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string digits(text.substr(colon + 1));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return false;
  const unsigned long number = std::stoul(digits.substr(0, 6));
  port = static_cast<uint16_t>(number);
  return number <= 65535;
}

// The access log as the flags want it: none where there is to be none. False: said why.
bool OpenAccessLog(const Flags& flags, size_t workers, std::unique_ptr<AccessLog>& log) {
  if (flags.access_log.empty()) return true;
  absl::StatusOr<AccessFormat> format = AccessFormat::Parse(flags.access_log_format);
  absl::Status opened = format.status();
  if (opened.ok()) {
    log = std::make_unique<AccessLog>(flags.access_log, *std::move(format), workers);
    opened = log->Open();
  }
  if (!opened.ok()) std::cerr << "apk-data-plane: --access-log: " << opened.message() << "\n";
  return opened.ok();
}

// Spans as the flags want them: nothing where there are to be none.
struct Traces {
  Traces(const Flags& flags, size_t workers) {
    const absl::StatusOr<std::string> url = Collector::TracesUrl(flags.otlp_endpoint);
    if (!url.ok()) return;  // None was named: a wrong one has been refused as a flag.
    SpanSource source{
        .service_name = flags.service_name, .instance_id = flags.id, .version = APK_VERSION};
    tracing = std::make_unique<Tracing>(flags.tracing, workers);
    exporter = std::make_unique<SpanExporter>(*tracing, *url, std::move(source));
  }

  std::unique_ptr<Tracing> tracing;
  std::unique_ptr<SpanExporter> exporter;
};

// Until one that ends the program.
void WaitForSignal(const sigset_t& signals, AccessLog* access_log) {
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGHUP) return;
    access_log->Reopen();
  }
}

int Run(Flags& flags) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  if (!flags.access_log.empty()) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Before threads: they inherit it.
  signal(SIGPIPE, SIG_IGN);

#ifdef APK_MIMALLOC
  // An option of the process: where several workers set it, one may keep what it would have given.
  flags.worker.set_memory_return = [delay = mi_option_get(mi_option_decommit_delay)](bool at_once) {
    mi_option_set(mi_option_decommit_delay, at_once ? 0 : delay);
  };
#endif
  // As the control plane writes addresses, which are compared with it.
  boost::system::error_code no_address;
  const asio::ip::address own = asio::ip::make_address(flags.worker.default_address, no_address);
  if (!no_address) flags.worker.default_address = own.to_string();
  DiscoveryOptions discovery;
  discovery.control_planes = flags.control_planes;
  discovery.agent.set_id(flags.id);
  discovery.agent.set_address(flags.worker.default_address);
  discovery.agent.set_version(APK_VERSION);
  discovery.agent.set_started_unix_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::system_clock::now().time_since_epoch())
          .count());
  std::string admin_host;
  uint16_t admin_port = 0;
  if (!SplitHostPort(flags.admin, admin_host, admin_port)) {
    std::cerr << "apk-data-plane: --admin " << flags.admin << ": not address:port\n";
    return 1;
  }
  size_t workers = static_cast<size_t>(flags.workers);
  if (workers == 0) workers = std::max(1u, std::thread::hardware_concurrency());
  flags.worker.cpu = flags.pin;
  flags.worker.pool.dns_servers = flags.mirror.dns_servers = flags.dns_servers;

  DataDirLock lock;
  if (const absl::Status taken = lock.Take(flags.data_dir, "agent"); !taken.ok()) {
    std::cerr << "apk-data-plane: --data-dir: " << taken.message() << "\n";
    return 1;
  }
  std::unique_ptr<AccessLog> access_log;
  if (!OpenAccessLog(flags, workers, access_log)) return 1;
  Traces traces(flags, workers);
  const Observers observers{.access_log = access_log.get(), .tracing = traces.tracing.get()};
  WorkerGroup group(workers, flags.worker, flags.mirror, observers);
  LastGoodSnapshot disk(flags.data_dir);
  Agent agent(group, disk, flags.worker.default_address);
  JwksFetcher jwks(
      [&group](std::shared_ptr<const KeyStore> keys) { group.PublishKeys(std::move(keys)); },
      flags.data_dir + "/token-issuer-keys");
  agent.SetTokenIssuerSink([&jwks](const RouteTable& table) { jwks.SetIssuers(table); });
  std::atomic<int> exit_code{0};
  // With nothing to serve and nobody who will give it any, it is better said than waited for.
  const absl::StatusOr<AgentIdentity> identity = OpenIdentity(flags, [&](const absl::Status& why) {
    if (!agent.version().empty()) return;
    std::cerr << "apk-data-plane: --join-token: " << why.message() << "\n";
    exit_code.store(1);
    kill(getpid(), SIGTERM);
  });
  if (!identity.ok()) {
    std::cerr << "apk-data-plane: " << identity.status().message() << "\n";
    return 1;
  }
  discovery.identity = [&identity] { return identity->Current(); };
  const AdminPages pages({.agent = agent,
                          .workers = group,
                          .access_log = access_log.get(),
                          .spans = traces.exporter.get(),
                          .certificate_expires = [&identity] { return identity->expires(); }});
  ProfilePages profiles(&HeapStatistics, AllocationsAreCounted());
  AdminServer admin([&pages, &profiles](const AdminRequest& request) {
    std::optional<AdminResponse> profile = profiles.Answer(request);
    return profile.has_value() ? *std::move(profile) : pages.Answer(request);
  });
  if (const absl::Status listening = admin.Listen(admin_host, admin_port); !listening.ok()) {
    std::cerr << "apk-data-plane: --admin: " << listening.message() << "\n";
    return 1;
  }
  agent.OnReady([&] {
    std::printf("ready admin=%s:%u version=%s\n", admin_host.c_str(), admin.port(),
                agent.version().c_str());
    std::fflush(stdout);
  });

  if (access_log != nullptr) access_log->Start();
  if (traces.exporter != nullptr) traces.exporter->Start();
  group.Start();
  admin.Start();
  agent.StartFromDisk();
  DiscoveryClient client(std::move(discovery), agent);
  if (identity->keeper != nullptr) identity->keeper->Start();
  client.Start();
  WaitForSignal(signals, access_log.get());
  LogInfo("draining");
  client.Stop();
  if (identity->keeper != nullptr) identity->keeper->Stop();
  group.Drain(std::chrono::seconds(flags.drain_seconds));
  return exit_code.load();
}

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  apk::Flags flags;
  CLI::App app("The agent of the gateway: routes, forwards and mirrors requests", "apk-data-plane");
  apk::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  apk::InitLog("apk-data-plane", flags.log_level);
  return apk::Run(flags);
}
