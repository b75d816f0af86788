// What a request costs in instructions, part by part, without a clock: run by instructions_test.py
// under callgrind. Each part is done so often, and its costs are dumped under its name. The same
// work every time: nothing waits, and no size or order depends on chance.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "data-plane/filters/filter.h"
#include "data-plane/http/body_decoder.h"
#include "data-plane/http/h2_head.h"
#include "data-plane/http/head_parser.h"
#include "data-plane/http/head_writer.h"
#include "data-plane/http/hop_headers.h"
#include "data-plane/routing/compile.h"

namespace apk {
namespace {

constexpr int kTimes = 1000;
constexpr int kRoutes = 300;

constexpr std::string_view kRequest =
    "GET /service-7/items/42?color=red&size=10 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "X-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n"
    "Cookie: session=AAAAAAAAAAAAAAAAAAAAAAAA; theme=dark\r\n"
    "Connection: keep-alive\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 1024\r\n"
    "Cache-Control: no-cache\r\n"
    "ETag: \"5f3-abcdef\"\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "Server: origin\r\n\r\n";

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

template <class Work>
void Measure(const char* name, Work work) {
  for (int i = 0; i < 3; ++i) work();  // What is made once is there.
  CALLGRIND_ZERO_STATS;
  for (int i = 0; i < kTimes; ++i) work();
  CALLGRIND_DUMP_STATS_AT(name);
}

v1::SnapshotResource& AddResource(v1::Snapshot& snapshot, const std::string& name) {
  v1::SnapshotResource& resource = *snapshot.add_resources();
  resource.set_name(name);
  resource.set_hash(name);
  return resource;
}

// Routes by exact path, prefix and expression, by turns.
v1::Snapshot Routes() {
  v1::Snapshot snapshot;
  v1::BackendConfig& backend = *AddResource(snapshot, "backend/b").mutable_backend();
  backend.add_endpoints()->set_host("127.0.0.1");
  backend.mutable_endpoints(0)->set_port(8080);
  v1::ListenerConfig& listener =
      *AddResource(snapshot, "listener/default/g/http").mutable_listener();
  listener.set_port(80);
  listener.set_protocol(v1::ListenerConfig::HTTP);
  v1::RouteConfig& route = *AddResource(snapshot, "route/default/r").mutable_route();
  route.set_name("default/r");
  v1::RouteAttachment& attachment = *route.add_attachments();
  attachment.set_listener("listener/default/g/http");
  attachment.add_hostnames("shop.example.com");
  for (int number = 0; number < kRoutes; ++number) {
    v1::RuleConfig& rule = *route.add_rules();
    v1::PathMatchConfig& path = *rule.add_matches()->mutable_path();
    const std::string name = "/service-" + std::to_string(number);
    path.set_type(number % 3 == 0   ? v1::PathMatchConfig::EXACT
                  : number % 3 == 1 ? v1::PathMatchConfig::PATH_PREFIX
                                    : v1::PathMatchConfig::REGULAR_EXPRESSION);
    path.set_value(number % 3 == 2 ? name + "/items/[0-9]+"
                                   : name + (number % 3 == 0 ? "/items" : ""));
    v1::WeightedBackendConfig& weighted = *rule.add_backends();
    weighted.set_backend("backend/b");
    weighted.set_weight(1);
  }
  return snapshot;
}

RequestHead Parsed() {
  RequestHead head;
  Expect(ParseRequestHead(kRequest, HeadLimits(), head) == HeadError::kNone, "the request is read");
  return head;
}

void MeasureRequestHead() {
  const HeadLimits limits;
  RequestHead head;
  Measure("request_head", [&] {
    HeadScanner scanner;
    Expect(scanner.Scan(kRequest, limits) == HeadScanner::State::kComplete, "the request is whole");
    Expect(ParseRequestHead(kRequest, limits, head) == HeadError::kNone, "the request is read");
  });
}

void MeasureMatch() {
  const CompileResult compiled = Compile(Routes());
  Expect(compiled.table != nullptr, "the routes compile");
  const Listener* const listener = compiled.table->ports()[0].FindListener("shop.example.com");
  Expect(listener != nullptr, "there is a listener");
  RequestHead head = Parsed();
  const struct {
    const char* name;
    const char* path;
  } cases[] = {{"match_exact", "/service-99/items"},
               {"match_prefix", "/service-100/items/42"},
               {"match_expression", "/service-101/items/42"},
               {"match_none", "/elsewhere/items/42"}};
  for (const auto& one : cases) {
    head.path = one.path;
    const bool expected = head.path.starts_with("/service");
    Measure(one.name, [&] {
      Expect(RouteTable::Match(*listener, head).has_value() == expected,
             "the right route is found");
    });
  }
}

void MeasureForward() {
  const RequestHead head = Parsed();
  RequestHead changed;
  RequestHeaderModifier modifier;
  modifier.set = {{"X-Set", "1"}};
  modifier.add = {{"X-Add", "2"}};
  modifier.remove = {"Cookie"};
  UrlRewrite rewrite;
  rewrite.hostname = "origin.example";
  rewrite.path = {.kind = PathModifier::Kind::kReplacePrefixMatch, .value = "/v1"};
  const std::vector<Filter> filters = {modifier, rewrite};
  MatchedPath path;
  path.prefix = "/service-7";
  path.is_prefix = true;
  FilterContext context;
  context.path = &path;
  Measure("filters", [&] {
    changed = head;
    Expect(!ApplyRequestFilters(filters, context, changed).has_value(), "the request goes on");
  });
  OutgoingRequest outgoing;
  outgoing.head = &head;
  outgoing.host = "origin.example:8080";
  std::string written;
  Measure("write_request", [&] {
    written.clear();
    AppendRequestHead(written, outgoing);
    Expect(written.size() > 100, "a head is written");
  });
}

void MeasureResponse() {
  const HeadLimits limits;
  ResponseHead head;
  std::string written;
  Measure("response_head", [&] {
    HeadScanner scanner;
    Expect(scanner.Scan(kResponse, limits) == HeadScanner::State::kComplete,
           "the response is whole");
    Expect(ParseResponseHead(kResponse, limits, false, head) == HeadError::kNone,
           "the response is read");
  });
  Measure("write_response", [&] {
    written.clear();
    StripHopByHop(head.headers);
    AppendStatusLine(written, head.status, head.reason);
    head.headers.AppendLines(written, [](HeaderId) { return true; });
    AppendFraming(written, head.framing);
    AppendHeadEnd(written);
    Expect(written.size() > 100, "a head is written");
  });
}

void MeasureBody() {
  std::string chunks;
  for (int i = 0; i < 16; ++i) chunks += "400\r\n" + std::string(1024, 'x') + "\r\n";
  chunks += "0\r\n\r\n";
  BodyFraming framing;
  framing.kind = BodyFraming::Kind::kChunked;
  Measure("chunked_body", [&] {
    BodyDecoder decoder;
    decoder.Start(framing);
    std::string_view rest = chunks;
    size_t bytes = 0;
    while (!decoder.done()) {
      const BodyDecoder::Step step = decoder.Next(rest);
      Expect(!step.error, "the body is one");
      rest.remove_prefix(step.consumed);
      bytes += step.data.size();
    }
    Expect(bytes == 16 * 1024, "the body is whole");
  });
}

void MeasureHttp2() {
  const HeadLimits limits;
  RequestHead head;
  Measure("h2_request_head", [&] {
    H2RequestHeadBuilder builder(limits, head);
    builder.Add(":method", "GET");
    builder.Add(":scheme", "https");
    builder.Add(":authority", "shop.example.com");
    builder.Add(":path", "/service-7/items/42?color=red&size=10");
    builder.Add("user-agent",
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
    builder.Add("accept", "application/json, text/plain, */*");
    builder.Add("accept-encoding", "gzip, deflate, br");
    builder.Add("cookie", "session=AAAAAAAAAAAAAAAAAAAAAAAA");
    builder.Add("cookie", "theme=dark");
    Expect(builder.Finish(true) == HeadError::kNone, "the request is read");
  });
}

void MeasureAll() {
  std::printf("times %d\n", kTimes);
  MeasureRequestHead();
  MeasureMatch();
  MeasureForward();
  MeasureResponse();
  MeasureBody();
  MeasureHttp2();
}

}  // namespace
}  // namespace apk

int main() { apk::MeasureAll(); }
