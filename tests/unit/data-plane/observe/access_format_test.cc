#include "data-plane/observe/access_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace apk {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

AccessRecord Example() {
  AccessRecord record;
  record.time = std::chrono::system_clock::time_point(std::chrono::microseconds(1715065689000042));
  record.client = "192.0.2.7";
  record.method = "GET";
  record.path = "/a?b";
  record.protocol = "HTTP/1.1";
  record.status = 200;
  record.bytes_in = 0;
  record.bytes_out = 1234567890123;
  record.duration = std::chrono::microseconds(12'045);
  return record;
}

std::string Line(std::string_view format, const AccessRecord& record) {
  std::string out;
  AccessFormat::Parse(format)->Append(record, out);
  return out;
}

std::string ErrorOf(std::string_view format) {
  return std::string(AccessFormat::Parse(format).status().message());
}

TEST(AccessFormat, FillsATemplate) {
  EXPECT_EQ(Line("{time} {client} \"{method} {path} {protocol}\" {status} {bytes_out} {duration_ms}",
                 Example()),
            "2024-05-07T07:08:09.000042Z 192.0.2.7 \"GET /a?b HTTP/1.1\" 200 1234567890123 12.045\n");
}

TEST(AccessFormat, WritesADashWhereThereIsNothing) {
  EXPECT_EQ(Line("{upstream_ms} {route} {failure}", Example()), "- - -\n");
}

TEST(AccessFormat, TakesDoubledBracesAsBraces) {
  EXPECT_EQ(Line("{{{status}}}", Example()), "{200}\n");
}

TEST(AccessFormat, NamesTheFieldThatItDoesNotKnowAndWhereItIs) {
  EXPECT_THAT(ErrorOf("{time} {stats}"),
              StartsWith("at character 8: there is no field {stats}, but: time client"));
  EXPECT_THAT(ErrorOf("{}"), StartsWith("at character 1: there is no field {}"));
  EXPECT_EQ(ErrorOf("ab{time"), "at character 3: '{' has no '}'");
  EXPECT_EQ(ErrorOf("ab}"), "at character 3: '}' has no '{'");
  EXPECT_EQ(ErrorOf("a\nb"), "at character 2: a control character");
  EXPECT_EQ(ErrorOf(""), "is empty");
}

TEST(AccessFormat, KeepsAClientFromWritingLinesOfItsOwn) {
  AccessRecord record = Example();
  record.user_agent = "x\" 200\r\nforged";
  EXPECT_EQ(Line("\"{user_agent}\"", record), "\"x\\x22 200\\x0D\\x0Aforged\"\n");
  const std::string json = Line("json", record);
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  EXPECT_EQ(nlohmann::json::parse(json)["user_agent"], "x\" 200\r\nforged");
}

TEST(AccessFormat, WritesOneObjectALineInJson) {
  AccessRecord record = Example();
  record.upstream = std::chrono::microseconds(7);
  record.failure = "no_route";
  const nlohmann::json line = nlohmann::json::parse(Line("json", record));
  EXPECT_EQ(line["time"], "2024-05-07T07:08:09.000042Z");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["bytes_out"], 1234567890123);
  EXPECT_EQ(line["duration_ms"], 12.045);
  EXPECT_EQ(line["upstream_ms"], 0.007);
  EXPECT_EQ(line["failure"], "no_route");
  EXPECT_FALSE(line.contains("route"));
}

TEST(AccessFormat, LeavesOutWhatIsAbsentInJson) {
  const nlohmann::json line = nlohmann::json::parse(Line("json", AccessRecord()));
  EXPECT_FALSE(line.contains("upstream_ms"));
  EXPECT_FALSE(line.contains("client"));
  EXPECT_EQ(line["status"], 0);
}

TEST(AccessFormat, CutsLongValues) {
  AccessRecord record = Example();
  const std::string path(100'000, 'a');
  record.path = path;
  EXPECT_EQ(Line("{path}", record).size(), AccessFormat::kValueBytesMax + 1);
}

TEST(AccessFormat, WritesTimesBeforeTheEpoch) {
  std::string out;
  AppendTime(out, std::chrono::system_clock::time_point(std::chrono::microseconds(-1)));
  EXPECT_EQ(out, "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace apk
