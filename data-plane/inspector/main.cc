// apk-inspector: shows the requests that mirrors send. The wiring diagram; everything runs on one
// thread.
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <iostream>
#include <optional>

#include "common/log.h"
#include "common/strings.h"
#include "data-plane/inspector/capture_server.h"
#include "data-plane/inspector/ui_server.h"

namespace apk::inspector {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Flags {
  std::string ui = "127.0.0.1:9601";
  std::string http = "127.0.0.1:9602";
  std::string https;
  std::string certificate;
  std::string key;
  std::vector<std::string> ui_hosts;
  std::vector<std::string> bins;
  bool only_listed = false;
  bool show_secrets = false;
  BinsOptions limits;
  std::string log_level = "info";
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--ui", flags.ui, "Page and API, address:port")->capture_default_str();
  app.add_option("--ui-host", flags.ui_hosts,
                 "Host name that the page may be reached by, besides loopback");
  app.add_option("--http", flags.http, "Where requests are captured, address:port; empty for none")
      ->capture_default_str();
  app.add_option("--https", flags.https, "The same over TLS");
  app.add_option("--cert", flags.certificate, "PEM file: certificate chain for --https");
  app.add_option("--key", flags.key, "PEM file: its key");
  app.add_option("--bin", flags.bins, "A bin to begin with: 8 to 64 letters, digits and hyphens");
  app.add_flag("--only-listed-bins", flags.only_listed,
               "Refuse requests to bins that aren't there yet");
  app.add_option("--bins-max", flags.limits.bins_max, "Bins at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--requests-max", flags.limits.limits.requests_max, "Requests a bin keeps")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000));
  app.add_option("--bytes-max", flags.limits.limits.bytes_max, "Bytes of memory a bin uses")
      ->capture_default_str()
      ->check(CLI::Range(size_t{64} << 10, size_t{1} << 32));
  app.add_flag("--show-secrets", flags.show_secrets, "Keep credentials in headers, in clear");
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->capture_default_str();
  app.set_version_flag("--version", "apk-inspector " APK_VERSION);
}

// Says what is wrong on standard error.
std::optional<tcp::acceptor> Listen(asio::io_context& io, const char* flag,
                                    const std::string& text) {
  const size_t colon = text.rfind(':');
  boost::system::error_code error = asio::error::invalid_argument;
  tcp::resolver resolver(io);
  tcp::resolver::results_type found;
  if (colon != std::string::npos) {
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    found = resolver.resolve(host, text.substr(colon + 1),
                             tcp::resolver::passive | tcp::resolver::numeric_service, error);
  }
  tcp::acceptor acceptor(io);
  if (!error) acceptor.open(found.begin()->endpoint().protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(found.begin()->endpoint(), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return acceptor;
  std::cerr << "apk-inspector: " << flag << " " << text << ": " << error.message() << "\n";
  return std::nullopt;
}

bool LoadCertificate(const Flags& flags, asio::ssl::context& context) {
  boost::system::error_code error;
  context.use_certificate_chain_file(flags.certificate, error);
  if (error) {
    std::cerr << "apk-inspector: --cert " << flags.certificate << ": " << error.message() << "\n";
    return false;
  }
  context.use_private_key_file(flags.key, asio::ssl::context::pem, error);
  if (error) std::cerr << "apk-inspector: --key " << flags.key << ": " << error.message() << "\n";
  return !error;
}

std::string Origin(std::string_view scheme, const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return Concat(scheme, "://", endpoint.address().is_v6() ? Concat("[", address, "]") : address,
                ":", std::to_string(endpoint.port()));
}

bool CreateBins(const Flags& flags, Bins& bins) {
  for (const std::string& token : flags.bins) {
    if (const auto created = bins.Create(token); !created.ok()) {
      std::cerr << "apk-inspector: --bin " << token << ": "
                << std::string(created.status().message()) << "\n";
      return false;
    }
  }
  return true;
}

int Run(Flags flags) {
  asio::io_context io(1);
  flags.limits.accept_unknown = !flags.only_listed;
  flags.limits.mask_secrets = !flags.show_secrets;
  Bins bins(flags.limits);
  if (!CreateBins(flags, bins)) return 1;

  std::optional<tcp::acceptor> ui_acceptor = Listen(io, "--ui", flags.ui);
  if (!ui_acceptor.has_value()) return 1;
  asio::ssl::context tls(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  std::optional<CaptureServer> http, https;
  ApiOptions options;
  options.ui_hosts = flags.ui_hosts;
  std::string ready = Concat("ready ui=", Origin("http", ui_acceptor->local_endpoint()));
  if (!flags.http.empty()) {
    std::optional<tcp::acceptor> acceptor = Listen(io, "--http", flags.http);
    if (!acceptor.has_value()) return 1;
    http.emplace(bins, *std::move(acceptor), nullptr);
    options.origins.http = Origin("http", http->endpoint());
    ready += Concat(" http=", options.origins.http.substr(std::string_view("http://").size()));
  }
  if (!flags.https.empty()) {
    std::optional<tcp::acceptor> acceptor = Listen(io, "--https", flags.https);
    if (!acceptor.has_value() || !LoadCertificate(flags, tls)) return 1;
    https.emplace(bins, *std::move(acceptor), &tls);
    options.origins.https = Origin("https", https->endpoint());
    ready += Concat(" https=", options.origins.https.substr(std::string_view("https://").size()));
  }
  Api api(bins, std::move(options));
  UiServer ui(api, *std::move(ui_acceptor));

  if (http.has_value()) asio::co_spawn(io, http->Run(), asio::detached);
  if (https.has_value()) asio::co_spawn(io, https->Run(), asio::detached);
  asio::co_spawn(io, ui.Run(), asio::detached);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });
  std::printf("%s\n", ready.c_str());
  std::fflush(stdout);
  io.run();
  return 0;
}

}  // namespace
}  // namespace apk::inspector

int main(int argc, char** argv) {
  apk::inspector::Flags flags;
  CLI::App app("Shows the requests that mirrors send", "apk-inspector");
  apk::inspector::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  apk::InitLog("apk-inspector", flags.log_level);
  return apk::inspector::Run(std::move(flags));
}
