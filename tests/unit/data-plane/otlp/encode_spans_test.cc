#include "data-plane/otlp/encode_spans.h"

#include <gtest/gtest.h>

#include <map>

#include "otlp/v1/trace.pb.h"

namespace apk {
namespace {

const SpanSource kSource{.service_name = "shop", .instance_id = "agent-1", .version = "1.2.3"};

template <class Message>
std::map<std::string, ::otlp::v1::AnyValue> AttributesOf(const Message& message) {
  std::map<std::string, ::otlp::v1::AnyValue> attributes;
  for (const auto& attribute : message.attributes())
    attributes[attribute.key()] = attribute.value();
  return attributes;
}

SpanPtr MakeSpan() {
  auto span = std::make_unique<Span>();
  span->trace = TraceIdOf("0af7651916cd43dd8448eb211c80319c");
  span->id = SpanIdOf("b7ad6b7169203331");
  span->name = "GET /tea/*";
  span->begun = WallTime(std::chrono::microseconds(1'700'000'000'000'001));
  span->End(span->begun + std::chrono::microseconds(5));
  return span;
}

::otlp::v1::ResourceSpans Decode(const std::vector<SpanPtr>& spans) {
  ::otlp::v1::ExportTraceServiceRequest request;
  EXPECT_TRUE(request.ParseFromString(EncodeSpans(kSource, spans)));
  EXPECT_EQ(request.resource_spans_size(), 1);
  return request.resource_spans(0);
}

::otlp::v1::Span DecodeOne(SpanPtr span) {
  std::vector<SpanPtr> spans;
  spans.push_back(std::move(span));
  return Decode(spans).scope_spans(0).spans(0);
}

TEST(EncodeSpans, SaysWhoseTheyAre) {
  std::vector<SpanPtr> spans;
  spans.push_back(MakeSpan());
  spans.push_back(MakeSpan());
  const ::otlp::v1::ResourceSpans decoded = Decode(spans);
  auto resource = AttributesOf(decoded.resource());
  EXPECT_EQ(resource["service.name"].string_value(), "shop");
  EXPECT_EQ(resource["service.instance.id"].string_value(), "agent-1");
  EXPECT_EQ(resource["service.version"].string_value(), "1.2.3");
  EXPECT_EQ(decoded.scope_spans(0).spans_size(), 2);
}

TEST(EncodeSpans, KeepsIdsTimesAndKinds) {
  const ::otlp::v1::Span root = DecodeOne(MakeSpan());
  EXPECT_EQ(root.trace_id(), BytesOf(MakeSpan()->trace));
  EXPECT_EQ(root.span_id(), BytesOf(MakeSpan()->id));
  EXPECT_EQ(root.parent_span_id(), "");
  EXPECT_EQ(root.start_time_unix_nano(), 1'700'000'000'000'001'000u);
  EXPECT_EQ(root.end_time_unix_nano(), 1'700'000'000'000'006'000u);
  EXPECT_EQ(root.kind(), ::otlp::v1::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(root.flags(), 0x101u);
  EXPECT_EQ(root.status().code(), ::otlp::v1::Status::STATUS_CODE_UNSET);
  SpanPtr child = MakeSpan();
  child->kind = Span::Kind::kClient;
  child->parent = SpanIdOf("00f067aa0ba902b7");
  child->parent_remote = true;
  child->trace_state = "a=1";
  child->Fail("timeout");
  const ::otlp::v1::Span failed = DecodeOne(std::move(child));
  EXPECT_EQ(failed.parent_span_id(), BytesOf(SpanIdOf("00f067aa0ba902b7")));
  EXPECT_EQ(failed.kind(), ::otlp::v1::Span::SPAN_KIND_CLIENT);
  EXPECT_EQ(failed.flags(), 0x301u);
  EXPECT_EQ(failed.trace_state(), "a=1");
  EXPECT_EQ(failed.status().code(), ::otlp::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(AttributesOf(failed)["error.type"].string_value(), "timeout");
}

TEST(EncodeSpans, KeepsTypesOfValues) {
  SpanPtr span = MakeSpan();
  span->Set("http.response.status_code", int64_t{503});
  span->Set("apk.mirror", true);
  auto attributes = AttributesOf(DecodeOne(std::move(span)));
  EXPECT_EQ(attributes["http.response.status_code"].int_value(), 503);
  EXPECT_TRUE(attributes["apk.mirror"].bool_value());
}

TEST(EncodeSpans, MendsTextThatCollectorsWouldRefuse) {
  SpanPtr span = MakeSpan();
  span->name = "GET /\xff";
  span->trace_state = "\x80";
  span->Set("url.path", "/\xc3\xa9\xc3");
  const ::otlp::v1::Span decoded = DecodeOne(std::move(span));
  EXPECT_EQ(decoded.name(), "GET /\xEF\xBF\xBD");
  EXPECT_EQ(decoded.trace_state(), "\xEF\xBF\xBD");
  EXPECT_EQ(AttributesOf(decoded)["url.path"].string_value(), "/\xc3\xa9\xEF\xBF\xBD");
}

TEST(ParseExportResponse, TellsHowManyWereRejected) {
  EXPECT_EQ(ParseExportResponse("")->rejected, 0u);
  ::otlp::v1::ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(3);
  response.mutable_partial_success()->set_error_message("too old");
  const auto partial = ParseExportResponse(response.SerializeAsString());
  ASSERT_TRUE(partial.has_value());
  EXPECT_EQ(partial->rejected, 3u);
  EXPECT_EQ(partial->message, "too old");
  response.mutable_partial_success()->set_rejected_spans(-1);
  EXPECT_EQ(ParseExportResponse(response.SerializeAsString())->rejected, 0u);
  EXPECT_FALSE(ParseExportResponse("<html>").has_value());
}

}  // namespace
}  // namespace apk
