#include "control-plane/audit/audit_entry.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace apk {
namespace {

v1::ObjectResult ResultOf(const std::string& kind, const std::string& name,
                          v1::ObjectResult::Action action) {
  v1::ObjectResult result;
  result.mutable_key()->set_kind(kind);
  result.mutable_key()->set_namespace_("default");
  result.mutable_key()->set_name(name);
  result.set_action(action);
  return result;
}

AuditEntry MakeEntry() {
  AuditEntry entry;
  entry.time = "2026-01-02T03:04:05.678Z";
  entry.user = "spiffe://apk/user/ann";
  entry.address = "127.0.0.1:5";
  entry.api = "grpc";
  entry.verb = "apply";
  entry.result = "OK";
  return entry;
}

TEST(AuditEntry, IsOneLineOfJson) {
  AuditEntry entry = MakeEntry();
  entry.revision = 7;
  entry.objects.push_back(ResultOf("ConfigMap", "a", v1::ObjectResult::CONFIGURED));
  entry.objects[0].add_changed_fields("data.key");
  entry.objects.push_back(ResultOf("ConfigMap", "b", v1::ObjectResult::UNCHANGED));
  EXPECT_EQ(ToLine(entry),
            R"({"time":"2026-01-02T03:04:05.678Z","user":"spiffe://apk/user/ann",)"
            R"("address":"127.0.0.1:5","api":"grpc","verb":"apply","result":"OK","revision":7,)"
            R"("objects":[{"kind":"ConfigMap","namespace":"default","name":"a",)"
            R"("action":"configured","fields":["data.key"]}],"unchanged":1})"
            "\n");
}

TEST(AuditEntry, CannotBeBrokenUpByWhatItSays) {
  AuditEntry entry = MakeEntry();
  entry.result = "Invalid";
  entry.message = "a\n{\"forged\": true}\xff";
  const std::string line = ToLine(entry);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_FALSE(nlohmann::json::parse(line).contains("forged"));
}

TEST(AuditEntry, SaysNothingOfWhatWasSentWhereASecretIsAmongIt) {
  AuditEntry entry = MakeEntry();
  entry.result = "Invalid";
  entry.message = "data.password: \"hunter2\" is no base64";
  EXPECT_NE(ToLine(entry).find("hunter2"), std::string::npos);
  entry.objects.push_back(ResultOf("Secret", "s", v1::ObjectResult::ACTION_UNSPECIFIED));
  EXPECT_EQ(ToLine(entry).find("hunter2"), std::string::npos);
}

TEST(AuditEntry, NamesOnlySoManyObjects) {
  AuditEntry entry = MakeEntry();
  for (int i = 0; i < 1003; ++i) {
    entry.objects.push_back(ResultOf("ConfigMap", "a", v1::ObjectResult::CREATED));
  }
  const nlohmann::json line = nlohmann::json::parse(ToLine(entry));
  EXPECT_EQ(line["objects"].size(), 1000U);
  EXPECT_EQ(line["moreObjects"], 3);
}

}  // namespace
}  // namespace apk
