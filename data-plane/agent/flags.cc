// One line of help each; --help is where users look first.
#include "data-plane/agent/flags.h"

#include "data-plane/net/resolver.h"
#include "data-plane/observe/access_format.h"
#include "data-plane/otlp/collector.h"

namespace apk {
namespace {

constexpr int kWorkersMax = 1024;

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
  app.add_flag_callback(
      "--lean-tls", [&worker] { worker.tls_records = RecordsBy::kAgent; },
      "Let OpenSSL go after a client's handshake of TLS 1.3: a connection that waits costs 1.3 KiB "
      "instead of 16; its records are then the agent's, with OpenSSL's ciphers");
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

}  // namespace

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
  AddMilliseconds(app, "--drain-notice-ms", flags.drain_notice,
                  "How long a drain still accepts: /readyz is 503 already, so that load balancers "
                  "look elsewhere",
                  0);
  app.add_flag("--take-over", flags.take_over,
               "Where an agent runs on --data-dir, take its listeners over and let it drain; no "
               "connection is refused. Where none does, start as usual");
  app.add_flag("--detach", flags.detach,
               "Go on in the background; this command returns when that serves, or with its error")
      ->needs("--take-over");
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

}  // namespace apk
