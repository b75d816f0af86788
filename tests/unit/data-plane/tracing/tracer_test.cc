#include "data-plane/tracing/tracer.h"

#include <gtest/gtest.h>

#include "common/strings.h"

namespace apk {
namespace {

constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kSampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

RequestHead With(std::vector<std::pair<std::string, std::string>> fields) {
  RequestHead request;
  for (const auto& [name, value] : fields) request.headers.Add(name, value);
  return request;
}

class TracerTest : public testing::Test {
 protected:
  Tracing never_{{.ratio = 0}, 1};
  Tracing always_{{.ratio = 1}, 1};
};

TEST_F(TracerTest, RecordsWhatTheCallerRecordsWhateverItsOwnRatio) {
  RequestHead request =
      With({{"TraceParent", std::string(kSampled)}, {"tracestate", "a=1"}, {"TraceState", "b=2"}});
  const SpanPtr span = never_.tracer(0).BeginServer(request);
  ASSERT_NE(span, nullptr);
  EXPECT_EQ(Hex(BytesOf(span->trace)), kTrace);
  EXPECT_EQ(Hex(BytesOf(span->parent)), "b7ad6b7169203331");
  EXPECT_TRUE(span->parent_remote);
  EXPECT_EQ(span->trace_state, "a=1,b=2");
  EXPECT_NE(span->id, span->parent);
  EXPECT_NE(span->id, SpanId());
}

TEST_F(TracerTest, LeavesAloneWhatTheCallerDoesNotRecord) {
  RequestHead request = With({{"traceparent", std::string(kUnsampled)}, {"tracestate", "a=1"}});
  EXPECT_EQ(always_.tracer(0).BeginServer(request), nullptr);
  EXPECT_EQ(request.headers.Get("traceparent"), kUnsampled);
  EXPECT_EQ(request.headers.Get("tracestate"), "a=1");
}

TEST_F(TracerTest, LeavesRequestsWithoutATraceAloneWhereNoneBeginsHere) {
  RequestHead request = With({{"accept", "*/*"}});
  EXPECT_EQ(never_.tracer(0).BeginServer(request), nullptr);
  EXPECT_EQ(request.headers.size(), 1u);
}

TEST_F(TracerTest, BeginsTraces) {
  RequestHead request = With({{"tracestate", "nobody=s"}});
  const SpanPtr span = always_.tracer(0).BeginServer(request);
  ASSERT_NE(span, nullptr);
  EXPECT_NE(span->trace, TraceId());
  EXPECT_EQ(span->parent, SpanId());
  EXPECT_FALSE(span->parent_remote);
  EXPECT_EQ(request.headers.Get("tracestate"), std::nullopt);
}

TEST_F(TracerTest, BeginsAnewWhereTheFieldIsWrongOrTwice) {
  RequestHead wrong = With({{"traceparent", "00-zz-01"}});
  RequestHead twice =
      With({{"traceparent", std::string(kSampled)}, {"traceparent", std::string(kSampled)}});
  for (RequestHead* const request : {&wrong, &twice}) {
    const SpanPtr span = always_.tracer(0).BeginServer(*request);
    ASSERT_NE(span, nullptr);
    EXPECT_NE(Hex(BytesOf(span->trace)), kTrace);
    EXPECT_EQ(span->parent, SpanId());
    EXPECT_EQ(never_.tracer(0).BeginServer(*request), nullptr);
  }
}

TEST_F(TracerTest, SaysToTheBackendWhichTracesItDoesNotRecord) {
  Tracing rarely({.ratio = 1e-12}, 1);
  RequestHead request = With({{"traceparent", "wrong"}, {"traceparent", "wrong"}});
  EXPECT_EQ(rarely.tracer(0).BeginServer(request), nullptr);
  EXPECT_EQ(request.headers.Count(HeaderId::kTraceparent), 1u);
  const auto parent = FindTraceParent(request.headers);
  ASSERT_TRUE(parent.has_value());
  EXPECT_FALSE(parent->sampled);
}

TEST_F(TracerTest, MakesClientSpansChildrenOfTheServers) {
  RequestHead request = With({{"traceparent", std::string(kSampled)}, {"tracestate", "a=1"}});
  Tracer& tracer = never_.tracer(0);
  const SpanPtr server = tracer.BeginServer(request);
  SpanPtr client = tracer.BeginClient(*server);
  EXPECT_EQ(client->trace, server->trace);
  EXPECT_EQ(client->parent, server->id);
  EXPECT_NE(client->id, server->id);
  EXPECT_FALSE(client->parent_remote);
  EXPECT_EQ(client->trace_state, "a=1");
  EXPECT_EQ(client->kind, Span::Kind::kClient);
  const Span* const finished = client.get();
  tracer.Finish(std::move(client));
  SpanPtr taken;
  ASSERT_TRUE(never_.buffers()[0]->TryPop(taken));
  EXPECT_EQ(taken.get(), finished);
}

}  // namespace
}  // namespace apk
