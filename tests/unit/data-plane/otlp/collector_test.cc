#include "data-plane/otlp/collector.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(TracesUrl, PutsThePathOfTracesBehindTheEndpoint) {
  EXPECT_EQ(*Collector::TracesUrl("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
  EXPECT_EQ(*Collector::TracesUrl("https://[::1]:4318/"), "https://[::1]:4318/v1/traces");
  EXPECT_EQ(*Collector::TracesUrl("http://collector/tenant/a/"),
            "http://collector/tenant/a/v1/traces");
}

TEST(TracesUrl, RefusesWhatIsNoUrlOfACollector) {
  for (const std::string endpoint :
       {"", "127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://", "http://h:0x1", "http://h:99999",
        "ftp://h", "http://h?q=1", "http://h/#f"}) {
    EXPECT_FALSE(Collector::TracesUrl(endpoint).ok()) << endpoint;
  }
}

}  // namespace
}  // namespace apk
