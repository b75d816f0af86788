// Reads a request, records it, answers: /uuid with a UUID, /_received with the record, else an
// echo.
#include "deploy/sample-backend/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <cstdio>
#include <optional>
#include <random>
#include <string_view>

namespace apk {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr uint64_t kBodyBytesMax = 64 * 1024 * 1024;
constexpr std::chrono::seconds kIdleMax{120};
constexpr std::chrono::milliseconds kWaitMax{60'000};

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string NewUuid() {
  static thread_local std::random_device random;
  const uint32_t a = random(), b = random(), c = random(), d = random();
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff,
                0x8000 | (c >> 18), c & 0xffff, d);
  return text;
}

// The digits after "key=" in the query, or nothing.
std::optional<unsigned> QueryNumber(std::string_view target, std::string_view key) {
  for (size_t at = target.find('?'); at != std::string_view::npos; at = target.find('&', at)) {
    ++at;
    if (!target.substr(at).starts_with(key) || !target.substr(at + key.size()).starts_with('='))
      continue;
    const std::string_view digits = target.substr(at + key.size() + 1);
    unsigned number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc()) return number;
  }
  return std::nullopt;
}

// timeout=5s or timeout=500ms; 5 s when not given.
std::chrono::milliseconds Timeout(std::string_view target) {
  const unsigned number = QueryNumber(target, "timeout").value_or(5);
  const bool in_milliseconds = target.find("ms", target.find("timeout=")) != std::string_view::npos;
  const std::chrono::milliseconds asked =
      in_milliseconds ? std::chrono::milliseconds(number) : std::chrono::seconds(number);
  return std::min(asked, kWaitMax);
}

ReceivedRequest Record(const http::request<http::string_body>& request) {
  ReceivedRequest record;
  record.method = View(request.method_string());
  record.target = View(request.target());
  record.body = request.body();
  for (const auto& field : request) {
    record.headers.emplace_back(View(field.name_string()), View(field.value()));
  }
  return record;
}

// Until `count` requests arrived or `timeout` passed.
asio::awaitable<void> AwaitRequests(ReceivedRequests& received, size_t count,
                                    std::chrono::milliseconds timeout) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto until = std::chrono::steady_clock::now() + timeout;
  received.AddWaiter(&timer);
  while (received.total() < count && std::chrono::steady_clock::now() < until) {
    timer.expires_at(until);
    co_await timer.async_wait(kTuple);
  }
  received.RemoveWaiter(&timer);
}

asio::awaitable<std::string> Answer(const http::request<http::string_body>& request,
                                    const BackendOptions& options, ReceivedRequests& received) {
  const std::string target(View(request.target()));
  const std::string path = target.substr(0, target.find('?'));
  if (path == "/_received") {
    const unsigned wanted = QueryNumber(target, "wait").value_or(0);
    co_await AwaitRequests(received, wanted, Timeout(target));
    co_return Dump(received.ToJson());
  }
  ReceivedRequest record = Record(request);
  nlohmann::ordered_json echo = ToJson(record);
  received.Add(std::move(record));
  if (options.delay.count() > 0) {
    asio::steady_timer timer(co_await asio::this_coro::executor, options.delay);
    co_await timer.async_wait(kTuple);
  }
  nlohmann::ordered_json answer;
  if (path == "/uuid") {
    answer["uuid"] = NewUuid();
    co_return Dump(answer);
  }
  echo["backend"] = options.name;
  co_return Dump(echo);
}

}  // namespace

asio::awaitable<void> ServeConnection(asio::ip::tcp::socket socket, const BackendOptions& options,
                                      ReceivedRequests& received) {
  boost::beast::tcp_stream stream(std::move(socket));
  boost::beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(kBodyBytesMax);
    stream.expires_after(kIdleMax);
    const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kTuple);
    if (read_error) co_return;
    stream.expires_never();
    const http::request<http::string_body> request = parser.release();
    keep_alive = request.keep_alive();
    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::server, "apk-sample-backend/" + options.name);
    response.set(http::field::content_type, "application/json");
    response.keep_alive(keep_alive);
    response.body() = co_await Answer(request, options, received);
    response.prepare_payload();
    // The length stays; the body doesn't go with the answer to HEAD.
    if (request.method() == http::verb::head) response.body().clear();
    stream.expires_after(kIdleMax);
    const auto [write_error, written] = co_await http::async_write(stream, response, kTuple);
    if (write_error) co_return;
  }
  boost::system::error_code ignored;
  stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace apk
