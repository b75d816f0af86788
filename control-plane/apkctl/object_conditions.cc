// Conditions stand in `status`, or in entries of lists there: listeners, parents, ancestors. Found
// by reflection, so that a new kind needs nothing here.
#include "control-plane/apkctl/object_conditions.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "apk/v1/gateway.pb.h"
#include "apk/v1/meta.pb.h"
#include "apk/v1/routes.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* Field(const Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

const Message* Child(const Message& message, const char* name) {
  const FieldDescriptor* const field = Field(message, name);
  const bool single = field != nullptr && !field->is_repeated() &&
                      field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                      message.GetReflection()->HasField(message, field);
  return single ? &message.GetReflection()->GetMessage(message, field) : nullptr;
}

std::vector<const Message*> Children(const Message& message, const FieldDescriptor* field) {
  std::vector<const Message*> children;
  const bool list = field != nullptr && field->is_repeated() && !field->is_map() &&
                    field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!list) return children;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i)
    children.push_back(&message.GetReflection()->GetRepeatedMessage(message, field, i));
  return children;
}

std::string Text(const Message& message, const char* name) {
  const FieldDescriptor* const field = Field(message, name);
  const bool text = field != nullptr && !field->is_repeated() &&
                    field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  return text ? message.GetReflection()->GetString(message, field) : "";
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Most conditions are good when True; of these True is the bad news.
bool IsBad(const v1::Condition& condition) {
  const bool negative =
      IsOneOf(condition.type(), {"Conflicted", "PartiallyInvalid", "OverlappingTLSConfig"});
  return condition.status() == (negative ? "True" : "False");
}

std::string HintFor(std::string_view reason, std::string_view message) {
  if (message.ends_with(" not found") || message.find(" not found in ") != std::string_view::npos ||
      IsOneOf(reason, {"BackendNotFound", "RefNotFound", "RouteNotFound", "TargetNotFound"})) {
    return "apply it too, or correct the reference";
  }
  if (reason == "RefNotPermitted")
    return "a ReferenceGrant in the namespace of what is referred to must allow it";
  if (reason == "NoMatchingParent") return "apply what it names, or correct parentRefs";
  if (reason == "NoMatchingListenerHostname")
    return "a hostname of the route must match one of a listener";
  if (reason == "NotAllowedByListeners") return "widen allowedRoutes of the listener";
  if (IsOneOf(reason, {"InvalidCertificateRef", "InvalidClientCertificateRef"}))
    return "apply a Secret of type kubernetes.io/tls with a certificate and its key";
  if (reason == "InvalidCACertificateRef")
    return "it takes a certificate as PEM, which begins with -----BEGIN CERTIFICATE-----";
  if (reason == "RouteInUse") return "a route serves one API: take it out of one of the two";
  if (reason == "Conflicted") return "delete one of the two";
  if (IsOneOf(reason, {"HostnameConflict", "ProtocolConflict"}))
    return "give one of the two another port or hostname";
  if (reason == "BasePathInUse") return "choose another basePath, or delete the older API";
  if (reason == "UnsupportedProtocol" || reason == "UnsupportedValue" || reason == "InvalidKind")
    return "use a value that this gateway supports";
  return "";
}

// "rules[2]" stands after its list's index: where an entry of `spec`'s list with this name is.
std::string ListenerPath(const Message& object, const std::string& name) {
  const Message* const spec = Child(object, "spec");
  if (spec == nullptr) return "";
  const std::vector<const Message*> listeners = Children(*spec, Field(*spec, "listeners"));
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (Text(*listeners[i], "name") == name)
      return Concat("spec.listeners[", std::to_string(i), "]");
  }
  return "";
}

std::string ParentPath(const Message& object, const Message& reference) {
  const Message* const spec = Child(object, "spec");
  if (spec == nullptr) return "";
  const std::vector<const Message*> parents = Children(*spec, Field(*spec, "parent_refs"));
  for (size_t i = 0; i < parents.size(); ++i) {
    const auto* const parent = dynamic_cast<const v1::ParentReference*>(parents[i]);
    const auto* const wanted = dynamic_cast<const v1::ParentReference*>(&reference);
    const bool same = parent != nullptr && wanted != nullptr && parent->name() == wanted->name() &&
                      parent->group() == wanted->group() && parent->kind() == wanted->kind() &&
                      parent->namespace_() == wanted->namespace_() &&
                      parent->section_name() == wanted->section_name() &&
                      parent->port() == wanted->port();
    if (same) return Concat("spec.parentRefs[", std::to_string(i), "]");
  }
  return "";
}

// "tls.certificateRefs[0]", below the entry of a list that a condition belongs to.
bool IsFieldOfEntry(std::string_view text) {
  return text.starts_with("tls.") && text.find(' ') == std::string_view::npos;
}

// Removes a reason from the end of a message: "… [BackendNotFound]". "" where there is none.
std::string_view TakeReason(std::string_view& message) {
  const size_t begin = message.rfind(" [");
  if (begin == std::string_view::npos || !message.ends_with(']')) return "";
  const std::string_view reason = message.substr(begin + 2, message.size() - begin - 3);
  const bool word = !reason.empty() && std::all_of(reason.begin(), reason.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  if (!word) return "";
  message = message.substr(0, begin);
  return reason;
}

class Collector {
 public:
  void AddAll(const Message& owner, const std::string& default_path) {
    std::vector<const v1::Condition*> bad;
    for (const Message* const child : Children(owner, Field(owner, "conditions"))) {
      const auto* const condition = dynamic_cast<const v1::Condition*>(child);
      if (condition != nullptr && IsBad(*condition)) bad.push_back(condition);
    }
    for (const v1::Condition* const condition : bad) {
      // Not programmed is what follows from every other problem, or not yet.
      const bool follows =
          condition->reason() == "ListenersNotValid" ||  // Each says it for itself.
          (condition->type() == "Programmed" &&
           (bad.size() > 1 || condition->reason() == "Pending"));
      if (!follows) AddParts(*condition, default_path);
    }
  }

  void Add(ConditionWarning warning) {
    for (const ConditionWarning& known : warnings_) {
      if (known.field_path == warning.field_path && known.message == warning.message) return;
    }
    warnings_.push_back(std::move(warning));
  }

  std::vector<ConditionWarning> Take() { return std::move(warnings_); }

 private:
  // A message may name several fields, each with a reason of its own: "spec.rules[0]: …;
  // spec.rules[1]: … [InvalidKind]".
  void AddParts(const v1::Condition& condition, const std::string& default_path) {
    std::string_view rest = condition.message();
    const size_t introduced =
        rest.starts_with("spec.") ? std::string_view::npos : rest.find(": spec.");
    if (introduced != std::string_view::npos)
      rest.remove_prefix(introduced + 2);  // "Dropped Rule(s), answered 500: spec.rules[0]: …"
    while (!rest.empty()) {
      const size_t end = rest.find("; spec.");
      std::string_view part = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
      std::string path = default_path;
      const size_t colon = part.find(": ");
      if (part.starts_with("spec.") && colon != std::string_view::npos) {
        path = part.substr(0, colon);
        part.remove_prefix(colon + 2);
      } else if (IsFieldOfEntry(part.substr(0, colon)) && !default_path.empty()) {
        path = Concat(default_path, ".", part.substr(0, colon));
        part.remove_prefix(colon + 2);
      }
      const std::string_view own = TakeReason(part);
      const std::string_view reason = own.empty() ? condition.reason() : own;
      Add({.field_path = std::move(path),
           .message =
               Concat(part, " [", condition.type(), "=", condition.status(), ", ", reason, "]"),
           .hint = HintFor(reason, part)});
    }
  }

  std::vector<ConditionWarning> warnings_;
};

bool HasConditions(const Message* status) {
  return status != nullptr && !Children(*status, Field(*status, "conditions")).empty();
}

// Each parentRef that nobody took charge of. No parentRef at all is what validation warns of.
void AddParentsWithoutStatus(const Message& object, const Message* status, Collector& collector) {
  const Message* const spec = Child(object, "spec");
  if (spec == nullptr) return;
  std::vector<std::string> taken;
  if (status != nullptr) {
    for (const Message* const entry : Children(*status, Field(*status, "parents"))) {
      if (const Message* const parent = Child(*entry, "parent_ref"); parent != nullptr)
        taken.push_back(ParentPath(object, *parent));
    }
  }
  const size_t parents = Children(*spec, Field(*spec, "parent_refs")).size();
  for (size_t i = 0; i < parents; ++i) {
    std::string path = Concat("spec.parentRefs[", std::to_string(i), "]");
    if (std::find(taken.begin(), taken.end(), path) != taken.end()) continue;
    collector.Add({.field_path = std::move(path),
                   .message = "leads to no Gateway of this control plane: it has no effect",
                   .hint = "name a Gateway of class apk"});
  }
}

// What somebody else has charge of, or nobody: nothing is wrong, and nothing happens.
void AddIfNobodysOwn(const Message& object, const Message* status, Collector& collector) {
  if (const auto* const gateway = dynamic_cast<const v1::Gateway*>(&object); gateway != nullptr) {
    for (const v1::Condition& condition : gateway->status().conditions()) {
      if (condition.status() != "Unknown") return;  // Somebody said something of it.
    }
    collector.Add({.field_path = "spec.gatewayClassName",
                   .message = Concat("no GatewayClass \"", gateway->spec().gateway_class_name(),
                                     "\" is served here: this Gateway has no effect"),
                   .hint = "use gatewayClassName: apk"});
    return;
  }
  const std::string& name = object.GetDescriptor()->name();
  if (name == "ListenerSet" && !HasConditions(status)) {
    collector.Add(
        {.field_path = "spec.parentRef",
         .message = "leads to no Gateway of this control plane: the ListenerSet has no effect",
         .hint = "apply that Gateway, of class apk, or correct parentRef"});
  }
  if (name == "BackendTLSPolicy" &&
      (status == nullptr || Children(*status, Field(*status, "ancestors")).empty())) {
    collector.Add({.field_path = "spec.targetRefs",
                   .message = "no route of a Gateway here leads to what it targets: the policy has "
                              "no effect yet",
                   .hint = "apply the Service and a route to it, or correct targetRefs"});
  }
  const bool is_route =
      name.ends_with("Route") && object.GetDescriptor()->FindFieldByName("status") != nullptr;
  if (is_route) AddParentsWithoutStatus(object, status, collector);
}

}  // namespace

std::vector<ConditionWarning> WarningsOf(const Message& object) {
  Collector collector;
  const Message* const status = Child(object, "status");
  AddIfNobodysOwn(object, status, collector);
  if (status == nullptr) return collector.Take();
  collector.AddAll(*status, "");
  const google::protobuf::Descriptor& descriptor = *status->GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    for (const Message* const entry : Children(*status, descriptor.field(i))) {
      const Message* const parent = Child(*entry, "parent_ref");
      collector.AddAll(*entry, parent != nullptr ? ParentPath(object, *parent)
                                                 : ListenerPath(object, Text(*entry, "name")));
    }
  }
  return collector.Take();
}

}  // namespace apk
