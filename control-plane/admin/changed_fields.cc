// The differencer finds them; a reporter turns its places into paths.
#include "control-plane/admin/changed_fields.h"

#include <google/protobuf/util/message_differencer.h>

#include "apk/v1/meta.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

constexpr size_t kPathsMax = 20;

using Fields = std::vector<MessageDifferencer::SpecificField>;

// A map's key; it is a string in all kinds.
std::string KeyOf(const Message& entry) {
  const FieldDescriptor* const key = entry.GetDescriptor()->FindFieldByNumber(1);
  return entry.GetReflection()->GetString(entry, key);
}

class PathReporter final : public MessageDifferencer::Reporter {
 public:
  void ReportAdded(const Message&, const Message&, const Fields& path) override { Add(path, true); }
  void ReportDeleted(const Message&, const Message&, const Fields& path) override {
    Add(path, false);
  }
  // Told of whatever a difference lies in, too.
  void ReportModified(const Message&, const Message&, const Fields& path) override {
    const FieldDescriptor* const field = path.back().field;
    const bool holds_others =
        field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!holds_others) Add(path, true);
  }

  std::vector<std::string> Paths() {
    if (count_ > kPathsMax) {
      paths_.push_back(Concat("and ", std::to_string(count_ - kPathsMax), " more"));
    }
    return std::move(paths_);
  }

 private:
  // `after`: it is in the second message.
  void Add(const Fields& fields, bool after) {
    if (++count_ > kPathsMax) return;
    std::string path;
    for (const MessageDifferencer::SpecificField& step : fields) {
      if (step.field == nullptr) {  // Of a newer version.
        path += "(unknown field)";
        break;
      }
      // Of a map's entry the value is what differs; its place is the key.
      if (step.field->containing_type()->options().map_entry()) continue;
      path += Concat(path.empty() ? "" : ".", step.field->json_name());
      if (step.field->is_map()) {
        const Message* const entry = after ? step.map_entry2 : step.map_entry1;
        if (entry != nullptr) path += "." + KeyOf(*entry);
      } else if (step.index >= 0) {
        path += Concat("[", std::to_string(step.index), "]");
      }
    }
    paths_.push_back(std::move(path));
  }

  std::vector<std::string> paths_;
  size_t count_ = 0;
};

}  // namespace

std::vector<std::string> ChangedFields(const Message& before, const Message& after) {
  MessageDifferencer differencer;
  PathReporter reporter;
  differencer.ReportDifferencesTo(&reporter);
  if (const auto* const status = before.GetDescriptor()->FindFieldByName("status")) {
    differencer.IgnoreField(status);
  }
  for (const char* const owned :
       {"uid", "resource_version", "generation", "creation_timestamp", "managed_fields"}) {
    differencer.IgnoreField(v1::ObjectMeta::descriptor()->FindFieldByName(owned));
  }
  differencer.Compare(before, after);
  return reporter.Paths();
}

}  // namespace apk
