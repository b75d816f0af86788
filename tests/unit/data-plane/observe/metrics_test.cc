#include "data-plane/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data-plane/mirror/mirror_stats.h"
#include "data-plane/observe/exposition.h"

namespace apk {
namespace {

using testing::HasSubstr;
using testing::Not;

class MetricsTest : public testing::Test {
 protected:
  MetricsSources Sources() {
    return {.workers = {&first_, &second_},
            .reports = WorkerReports(2),
            .failure_names = {"no_route"},
            .series = series_,
            .mirrors = mirrors_,
            .snapshot = {},
            .access_log = std::nullopt,
            .spans = spans_};
  }
  std::string Render() { return RenderMetrics(Sources()); }

  WorkerMetrics first_;
  WorkerMetrics second_;
  SeriesBook series_;
  MirrorStatsRegistry mirrors_;
  std::optional<SpanFigures> spans_;
};

TEST_F(MetricsTest, SumsWorkers) {
  const auto listener = series_.listeners.Take("listener/a");
  first_.exchanges.listeners.Mine(*listener).requests[2].Add(3);
  second_.exchanges.listeners.Mine(*listener).requests[2].Add(4);
  second_.exchanges.listeners.Mine(*listener).requests[0].Add();
  const std::string text = Render();
  EXPECT_THAT(text, HasSubstr("apk_listener_requests_total{listener=\"listener/a\",code=\"2xx\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("apk_listener_requests_total{listener=\"listener/a\",code=\"none\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("listener/a\",code=\"5xx")));
}

TEST_F(MetricsTest, SaysWhenTheCertificateEnds) {
  MetricsSources sources = Sources();
  EXPECT_THAT(RenderMetrics(sources), Not(HasSubstr("\napk_certificate_expires")));
  sources.certificate_expires_unix = 1'700'000'000;
  EXPECT_THAT(RenderMetrics(sources),
              HasSubstr("\napk_certificate_expires_timestamp_seconds 1700000000\n"));
}

TEST_F(MetricsTest, SaysWhenAStapleEnds) {
  MetricsSources sources = Sources();
  EXPECT_THAT(RenderMetrics(sources), Not(HasSubstr("\napk_ocsp_staple")));
  sources.staple_expires_unix = 1'700'000'000;
  EXPECT_THAT(RenderMetrics(sources),
              HasSubstr("\napk_ocsp_staple_expires_timestamp_seconds 1700000000\n"));
}

TEST_F(MetricsTest, AddsTheRulesOfARouteUpInItsHistogram) {
  const auto tea = series_.rules.Take("default/r", "tea");
  const auto other = series_.rules.Take("default/r", "1");
  first_.exchanges.rules.Mine(*tea).duration.Observe(std::chrono::microseconds(400));
  first_.exchanges.rules.Mine(*other).duration.Observe(std::chrono::milliseconds(2));
  const std::string text = Render();
  const std::string name = "apk_route_request_duration_seconds";
  EXPECT_THAT(text, HasSubstr(name + "_bucket{route=\"default/r\",le=\"0.000500\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{route=\"default/r\",le=\"0.002500\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{route=\"default/r\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_sum{route=\"default/r\"} 0.002400\n"));
  EXPECT_THAT(text, HasSubstr(name + "_count{route=\"default/r\"} 2\n"));
}

TEST_F(MetricsTest, ForgetsASeriesWithItsLastHolder) {
  auto backend = series_.backends.Take("backend/gone");
  first_.exchanges.backends.Mine(*backend).requests[2].Add();
  EXPECT_THAT(Render(), HasSubstr("backend/gone"));
  backend.reset();
  EXPECT_THAT(Render(), Not(HasSubstr("backend/gone")));
  const auto next = series_.backends.Take("backend/next");
  EXPECT_THAT(Render(), Not(HasSubstr("backend/next")));
}

TEST_F(MetricsTest, SaysWhichWorkerDidNotAnswer) {
  EXPECT_THAT(Render(), HasSubstr("apk_worker_responding{worker=\"1\"} 0\n"));
}

TEST_F(MetricsTest, CountsSpansWhereSomeAreRecorded) {
  EXPECT_THAT(Render(), Not(HasSubstr("apk_trace_")));
  spans_ = SpanFigures{.exported = 1, .dropped = 2, .failed = 3, .rejected = 4, .retries = 5};
  const std::string text = Render();
  EXPECT_THAT(text, HasSubstr("apk_trace_spans_total{outcome=\"exported\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("apk_trace_spans_total{outcome=\"dropped\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("apk_trace_spans_total{outcome=\"failed\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("apk_trace_spans_total{outcome=\"rejected\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("apk_trace_export_retries_total 5\n"));
}

TEST(Exposition, EscapesLabels) {
  Exposition out;
  out.Family("f", "gauge", "Help.");
  out.Sample("f", {{"a", "x\"y\\z\n"}, {"b", ""}}, 1);
  out.Sample("f", {}, 2);
  EXPECT_EQ(out.Take(),
            "# HELP f Help.\n# TYPE f gauge\nf{a=\"x\\\"y\\\\z\\n\",b=\"\"} 1\nf 2\n");
}

TEST(Exposition, WritesSeconds) {
  EXPECT_EQ(Seconds(0), "0.000000");
  EXPECT_EQ(Seconds(12'000'345), "12.000345");
}

}  // namespace
}  // namespace apk
