// Where a store in etcd is, as --store writes it. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace apk {

struct EtcdUrl {
  std::vector<std::string> endpoints;  // host:port, in the order given.
  std::string prefix = "/apk";         // Of all keys; begins with "/", does not end with it.
};

// etcd://host:port[,host:port…][/prefix]. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<EtcdUrl> ParseEtcdUrl(std::string_view text);

}  // namespace apk
