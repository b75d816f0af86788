// What may not change once it is written, as the Kubernetes API server and the official schemas say.
#include <google/protobuf/util/message_differencer.h>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

constexpr char kReplace[] = "delete the object and apply it anew";

// Of a Secret or a ConfigMap with `immutable: true`: everything but metadata stays.
template <class T>
void CheckImmutable(const T& object, const T& current, IssueList& issues) {
  if (!current.immutable()) return;
  if (!object.immutable()) {
    issues.Error("immutable", "can't be taken back once it is true", kReplace);
    return;
  }
  T wanted = object;
  *wanted.mutable_metadata() = current.metadata();
  if (!MessageDifferencer::Equals(wanted, current)) {
    issues.Error("data", "can't change: the object is immutable", kReplace);
  }
}

}  // namespace

std::vector<FieldIssue> ValidateUpdate(const Message& object, const Message& current) {
  std::vector<FieldIssue> found;
  IssueList issues(found);
  const std::string& kind = object.GetDescriptor()->name();
  if (kind == "Secret") {
    const auto& secret = static_cast<const v1::Secret&>(object);
    const auto& before = static_cast<const v1::Secret&>(current);
    CheckImmutable(secret, before, issues);
    if (secret.type() != before.type()) issues.Error("type", "can't change", kReplace);
  } else if (kind == "ConfigMap") {
    CheckImmutable(static_cast<const v1::ConfigMap&>(object),
                   static_cast<const v1::ConfigMap&>(current), issues);
  } else if (kind == "EndpointSlice" &&
             static_cast<const v1::EndpointSlice&>(object).address_type() !=
                 static_cast<const v1::EndpointSlice&>(current).address_type()) {
    issues.Error("addressType", "can't change", kReplace);
  } else if (kind == "GatewayClass" &&
             static_cast<const v1::GatewayClass&>(object).spec().controller_name() !=
                 static_cast<const v1::GatewayClass&>(current).spec().controller_name()) {
    issues.Error("spec.controllerName", "can't change", kReplace);
  }
  return found;
}

}  // namespace apk
