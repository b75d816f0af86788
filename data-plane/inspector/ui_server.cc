// What waits on the page's listener.
#include "data-plane/inspector/ui_server.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "data-plane/inspector/connection.h"
#include "data-plane/inspector/filter.h"
#include "data-plane/inspector/query.h"

namespace apk::inspector {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kHeartbeat{15};  // Notices peers that went away.
constexpr milliseconds kWaitDefault{10'000};
constexpr milliseconds kWaitMax{60'000};

std::optional<uint64_t> ParseId(std::string_view text) {
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::string Event(std::string_view name, std::string_view id, const Json& data) {
  return Concat("event: ", name, "\n", id.empty() ? "" : "id: ", id, id.empty() ? "" : "\n",
                "data: ", Dump(data), "\n\n");
}

// Events for what arrived after `last`, which moves on.
std::string EventsSince(std::string_view token, const Bin& bin, const CaptureOrigins& origins,
                        uint64_t& last) {
  std::string events;
  for (const CapturedRequest& request : bin.requests()) {
    if (request.id <= last) continue;
    events += Event("request", std::to_string(request.id), SummaryJson(request));
    last = request.id;
  }
  events += Event("counters", "", BinJson(token, bin, origins));
  return events;
}

std::string EventStreamHead() {
  Reply head;
  head.headers.emplace_back("Content-Type", "text/event-stream");
  head.headers.emplace_back("Cache-Control", "no-store");
  AddSecurityHeaders(head);
  std::string bytes = Serialize(head, false, true);
  // A stream has no length: it ends with the connection.
  const std::string length = "Content-Length: 0\r\n";
  bytes.erase(bytes.find(length), length.size());
  return bytes + "retry: 1000\n\n";
}

const CapturedRequest* FirstMatch(const Bin& bin, const Filter& filter, uint64_t since,
                                  WallTime now) {
  for (const CapturedRequest& request : bin.requests()) {
    if (request.id > since && filter.Matches(request, now)) return &request;
  }
  return nullptr;
}

}  // namespace

asio::awaitable<void> UiServer::ServeEvents(boost::beast::tcp_stream& stream,
                                            const CapturedRequest& request,
                                            std::shared_ptr<LiveBin> bin) {
  const std::string token(Api::ParsePath(request.target).token);
  const CaptureOrigins& origins = api_.options().origins;
  // A browser that reconnects says what it has seen; its id wins over that of the address.
  std::optional<uint64_t> since = ParseId(request.Header("last-event-id"));
  if (!since.has_value()) since = ParseId(QueryValue(request.Query(), "since"));
  // An id from before a restart of the inspector: it has seen nothing of this bin.
  uint64_t last = since.value_or(bin->bin.received());
  if (last > bin->bin.received()) last = 0;
  uint64_t generation = bin->bin.generation();
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const Watch watch(bin, timer);
  std::string bytes = EventStreamHead() + EventsSince(token, bin->bin, origins, last);
  while (true) {
    const bool written = co_await WriteBytes(stream, std::move(bytes));
    if (!written || bin->removed) co_return;
    const uint64_t received = bin->bin.received();
    if (received == last && generation == bin->bin.generation()) {
      timer.expires_after(kHeartbeat);
      const auto [woken] = co_await timer.async_wait(kTuple);
      if (!woken) bytes = ": still here\n\n";
    }
    if (bin->removed) {
      bytes = Event("removed", "", Json::object());
    } else if (generation != bin->bin.generation()) {
      generation = bin->bin.generation();
      bytes = Event("reset", "", Json::object()) + EventsSince(token, bin->bin, origins, last);
      last = bin->bin.received();
    } else if (last != bin->bin.received()) {
      bytes = EventsSince(token, bin->bin, origins, last);
      last = bin->bin.received();
    }
  }
}

asio::awaitable<Reply> UiServer::AwaitMatch(const CapturedRequest& request,
                                            std::shared_ptr<LiveBin> bin) {
  const absl::StatusOr<Filter> filter = Filter::Parse(QueryValue(request.Query(), "filter"));
  if (!filter.ok()) co_return ErrorReply(400, std::string(filter.status().message()));
  const absl::StatusOr<uint64_t> since = QueryNumber(request.Query(), "since", 0);
  if (!since.ok()) co_return ErrorReply(400, std::string(since.status().message()));
  const absl::StatusOr<milliseconds> timeout =
      QueryDuration(request.Query(), "timeout", kWaitDefault);
  if (!timeout.ok()) co_return ErrorReply(400, std::string(timeout.status().message()));
  const auto until = std::chrono::steady_clock::now() + std::min(*timeout, kWaitMax);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const Watch watch(bin, timer);
  while (!bin->removed) {
    const WallTime now = SystemClock().WallNow();
    if (const CapturedRequest* const found = FirstMatch(bin->bin, *filter, *since, now)) {
      co_return JsonReply(200, Dump(DetailJson(*found, api_.options().origins)));
    }
    if (std::chrono::steady_clock::now() >= until) break;
    timer.expires_at(until);
    co_await timer.async_wait(kTuple);
  }
  co_return ErrorReply(404, bin->removed ? "the bin was removed" : "no request matched in time");
}

asio::awaitable<void> UiServer::ServeRequests(boost::beast::tcp_stream& stream) {
  boost::beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    RequestReader reader;
    const ReadResult result = co_await ReadRequest(stream, buffer, reader);
    if (result == ReadResult::kClosed) co_return;
    Reply reply;
    const CapturedRequest& request = reader.request();
    keep_alive = result == ReadResult::kRequest && reader.keep_alive();
    const ApiPath path = Api::ParsePath(request.target);
    const std::shared_ptr<LiveBin> bin = api_.bins().Find(path.token);
    std::unique_ptr<Reply> refusal;
    if (result == ReadResult::kMalformed) {
      reply = ErrorReply(400, "this is no HTTP/1 request");
    } else if ((refusal = api_.Refuse(request)) != nullptr) {
      reply = std::move(*refusal);
    } else if (bin != nullptr && path.what == "events" && request.method == "GET") {
      co_await ServeEvents(stream, request, bin);
      co_return;
    } else if (bin != nullptr && path.what == "wait" && request.method == "GET") {
      reply = co_await AwaitMatch(request, bin);
    } else {
      reply = api_.Handle(request);
    }
    if (request.target.starts_with("/api/"))
      reply.headers.emplace_back("Cache-Control", "no-store");
    AddSecurityHeaders(reply);
    std::string answer = Serialize(reply, keep_alive, request.method == "HEAD");
    const bool written = co_await WriteBytes(stream, std::move(answer));
    if (!written) co_return;
  }
}

asio::awaitable<void> UiServer::Serve(tcp::socket socket) {
  boost::beast::tcp_stream stream(std::move(socket));
  co_await ServeRequests(stream);
  boost::system::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  --connections_;
}

asio::awaitable<void> UiServer::Run() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    if (error || connections_ >= kConnectionsMax) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    ++connections_;
    asio::co_spawn(acceptor_.get_executor(), Serve(std::move(socket)), asio::detached);
  }
}

}  // namespace apk::inspector
