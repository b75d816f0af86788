// Records in memory, with the promises of an engine; others may write between a reading and a
// write.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "control-plane/store/records.h"

namespace apk {

class MemoryRecords final : public Records {
 public:
  absl::StatusOr<AllRecords> ReadAll() override {
    AllRecords all;
    all.version = version_;
    for (const auto& [key, record] : records_) all.records.push_back(record);
    return all;
  }
  absl::StatusOr<std::vector<Record>> Read(const std::vector<std::string>& keys) override {
    std::vector<Record> read;
    for (const std::string& key : keys) {
      const auto found = records_.find(key);
      read.push_back(found != records_.end()
                         ? found->second
                         : Record{.key = key, .value = "", .version = version_, .gone = true});
    }
    return read;
  }
  absl::Status Write(const std::vector<RecordWrite>& writes) override {
    if (const std::function<void()> before = std::exchange(before_write, nullptr)) before();
    for (const RecordWrite& write : writes) {
      const auto found = records_.find(write.key);
      const int64_t present = found == records_.end() ? 0 : found->second.version;
      if (present != write.expected_version) return absl::AbortedError("changed meanwhile");
    }
    ++version_;
    for (const RecordWrite& write : writes) {
      if (write.remove) {
        records_.erase(write.key);
      } else {
        records_[write.key] = {.key = write.key, .value = write.value, .version = version_};
      }
    }
    return absl::OkStatus();
  }

  std::function<void()> before_write;  // Once.

 private:
  int64_t version_ = 0;
  std::map<std::string, Record> records_;
};

}  // namespace apk
