// The resource kinds that exist, read from the (kind) options of their messages. A new kind is a
// message with that option and one line in kind_registry.cc. Immutable after first use;
// thread-safe.
#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace apk {

struct Kind {
  std::string group;  // "" for core kinds.
  std::string name;   // HTTPRoute
  std::string plural;
  std::vector<std::string> versions;  // The last is the one that is stored and shown.
  std::vector<std::string> short_names;
  bool cluster_scoped = false;
  const google::protobuf::Descriptor* descriptor = nullptr;

  // "gateway.networking.k8s.io/v1", or "v1" for core kinds, of the stored version.
  std::string ApiVersion() const;
  // "httproute.gateway.networking.k8s.io" or "service": what kubectl prints before the name.
  std::string QualifiedName() const;
  // A new, empty message of this kind, owned by the caller.
  std::unique_ptr<google::protobuf::Message> New() const;
};

const std::vector<Kind>& AllKinds();

// nullptr where there is none.
const Kind* FindKind(std::string_view group, std::string_view name);
const Kind* FindKind(const google::protobuf::Descriptor* descriptor);

// By what a person types: kind, singular, plural or short name in any case, with or without
// ".group". nullptr where there is none.
const Kind* FindKindByWord(std::string_view word);

// "group/version" or "version" into its two parts.
struct GroupVersion {
  std::string group;
  std::string version;
};
GroupVersion ParseApiVersion(std::string_view api_version);

}  // namespace apk
